"""How each family's lone checkpoints are laid out. A new one is one file here and its two lines below."""

from __future__ import annotations

from edgediff_exporters.sources.originals import flux, stable_diffusion, stable_diffusion_3, stable_diffusion_xl
from edgediff_exporters.sources.originals.base import Form, Layout

__all__ = ["FORMS", "KNOWN", "Form", "Layout"]

# By the family's name on the runtime's side.
FORMS: dict[str, Form] = {
    "flux": flux.FORM,
    "stable-diffusion": stable_diffusion.FORM,
    "stable-diffusion-3": stable_diffusion_3.FORM,
    "stable-diffusion-xl": stable_diffusion_xl.FORM,
}
# Models whose configs are shipped.
KNOWN: tuple[Layout, ...] = (
    *stable_diffusion.LAYOUTS,
    *stable_diffusion_xl.LAYOUTS,
    *flux.LAYOUTS,
    *stable_diffusion_3.LAYOUTS,
)
