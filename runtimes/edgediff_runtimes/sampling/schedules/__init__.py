"""Grids: betas, timestep spacings and noise-level grids, as plain functions."""
