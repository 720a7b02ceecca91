"""NCSN++: one graph.

Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential Equations".
"""

from __future__ import annotations

from edgediff_exporters.families.base import ComponentPlan
from edgediff_exporters.modules.unet_2d import ADMITTED, unet_2d
from edgediff_exporters.sources.base import Source

__all__ = ["ADMITTED", "plans"]

# The network is told the noise level, whose logarithm times some hundreds becomes a phase: at the largest levels two
# correct computations of it differ by more than a graph may.
_NOISE = 50.0


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """The U-Net."""
    return (unet_2d(source, most=_NOISE),)
