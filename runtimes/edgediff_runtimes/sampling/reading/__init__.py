"""Configs of diffusers' schedulers, read onto the four axes: grid, parametrisation, solver, noise.

``table`` names the classes; each has a file in ``classes``, and what several use is in ``shared``.
"""
