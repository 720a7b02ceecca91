"""Plans of the graphs of each family. A new one is one file here and its two lines below."""

from __future__ import annotations

from collections.abc import Callable

from edgediff_exporters.families import (
    aura_flow,
    consistency_models,
    ddpm,
    dit,
    flux,
    flux2_klein,
    hunyuan_dit,
    kolors,
    ldm_super_resolution,
    lumina2,
    pixart,
    qwen_image,
    qwen_image_edit,
    sana,
    sana_sprint,
    score_sde,
    stable_diffusion,
    stable_diffusion_3,
    stable_diffusion_upscale,
    stable_diffusion_xl,
    z_image,
)
from edgediff_exporters.families.admitted import Admitted, has, with_tiny
from edgediff_exporters.families.base import ComponentPlan, GraphInput
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.families.latents import TINY

__all__ = ["ADMITTED", "PLANS", "Admitted", "ComponentPlan", "GraphInput", "plans_of"]

# By the family's name on the runtime's side.
PLANS: dict[str, Callable[[Source], tuple[ComponentPlan, ...]]] = {
    "aura-flow": aura_flow.plans,
    "consistency-models": consistency_models.plans,
    "ddpm": ddpm.plans,
    "dit": dit.plans,
    "flux": flux.plans,
    "flux2-klein": flux2_klein.plans,
    "hunyuan-dit": hunyuan_dit.plans,
    "kolors": kolors.plans,
    "ldm-super-resolution": ldm_super_resolution.plans,
    "lumina2": lumina2.plans,
    "pixart": pixart.plans,
    "qwen-image": qwen_image.plans,
    "qwen-image-edit": qwen_image_edit.plans,
    "sana": sana.plans,
    "sana-sprint": sana_sprint.plans,
    "score-sde": score_sde.plans,
    "stable-diffusion": stable_diffusion.plans,
    "stable-diffusion-3": stable_diffusion_3.plans,
    "stable-diffusion-upscale": stable_diffusion_upscale.plans,
    "stable-diffusion-xl": stable_diffusion_xl.plans,
    "z-image": z_image.plans,
}
_OWN: dict[str, Admitted] = {
    "aura-flow": aura_flow.ADMITTED,
    "consistency-models": consistency_models.ADMITTED,
    "ddpm": ddpm.ADMITTED,
    "dit": dit.ADMITTED,
    "flux": flux.ADMITTED,
    "flux2-klein": flux2_klein.ADMITTED,
    "hunyuan-dit": hunyuan_dit.ADMITTED,
    "kolors": kolors.ADMITTED,
    "ldm-super-resolution": ldm_super_resolution.ADMITTED,
    "lumina2": lumina2.ADMITTED,
    "pixart": pixart.ADMITTED,
    "qwen-image": qwen_image.ADMITTED,
    "qwen-image-edit": qwen_image_edit.ADMITTED,
    "sana": sana.ADMITTED,
    "sana-sprint": sana_sprint.ADMITTED,
    "score-sde": score_sde.ADMITTED,
    "stable-diffusion": stable_diffusion.ADMITTED,
    "stable-diffusion-3": stable_diffusion_3.ADMITTED,
    "stable-diffusion-upscale": stable_diffusion_upscale.ADMITTED,
    "stable-diffusion-xl": stable_diffusion_xl.ADMITTED,
    "z-image": z_image.ADMITTED,
}
# Likewise: what is taken of a source.
ADMITTED: dict[str, Admitted] = {family: with_tiny(admitted) for family, admitted in _OWN.items()}


def plans_of(family: str, source: Source) -> tuple[ComponentPlan, ...]:
    """The components of a model, in the order they are exported."""
    return (*PLANS[family](source), *([stable_diffusion.tiny_decoder(source)] if has(source, TINY) else []))
