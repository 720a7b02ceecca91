"""DDPM and DDIM: one graph.

Ho et al. 2020, "Denoising Diffusion Probabilistic Models".
"""

from __future__ import annotations

from edgediff_exporters.families.base import ComponentPlan
from edgediff_exporters.modules.unet_2d import ADMITTED, unet_2d
from edgediff_exporters.sources.base import Source

__all__ = ["ADMITTED", "plans"]


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """The U-Net."""
    return (unet_2d(source),)
