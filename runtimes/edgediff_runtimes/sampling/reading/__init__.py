"""Configs of diffusers' schedulers, read onto the four axes: grid, parametrisation, solver, noise."""
