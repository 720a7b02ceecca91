"""Levels of score models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgediff_runtimes.sampling.levels import Level

if TYPE_CHECKING:
    import numpy as np


def unscaled(t: np.generic, sigma: float) -> Level:
    """A variance-exploding level whose sample the network sees as it is."""
    return Level(t, 1.0, sigma, 1.0, sigma)
