"""Model families: from the configs of a model to its recipe. A new one is one file here and one line below."""

from __future__ import annotations

from edgediff_runtimes.errors import BundleError
from edgediff_runtimes.families.aura_flow import AURA_FLOW
from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.consistency_models import CONSISTENCY_MODELS
from edgediff_runtimes.families.ddpm import DDPM
from edgediff_runtimes.families.dit import DIT
from edgediff_runtimes.families.flux import FLUX
from edgediff_runtimes.families.flux2_klein import FLUX2_KLEIN
from edgediff_runtimes.families.hunyuan_dit import HUNYUAN_DIT
from edgediff_runtimes.families.kolors import KOLORS
from edgediff_runtimes.families.ldm_super_resolution import LDM_SUPER_RESOLUTION
from edgediff_runtimes.families.lumina2 import LUMINA2
from edgediff_runtimes.families.pixart import PIXART
from edgediff_runtimes.families.qwen_image import QWEN_IMAGE
from edgediff_runtimes.families.qwen_image_edit import QWEN_IMAGE_EDIT
from edgediff_runtimes.families.sana import SANA
from edgediff_runtimes.families.sana_sprint import SANA_SPRINT
from edgediff_runtimes.families.score_sde import SCORE_SDE
from edgediff_runtimes.families.stable_diffusion import STABLE_DIFFUSION
from edgediff_runtimes.families.stable_diffusion_3 import STABLE_DIFFUSION_3
from edgediff_runtimes.families.stable_diffusion_upscale import STABLE_DIFFUSION_UPSCALE
from edgediff_runtimes.families.stable_diffusion_xl import STABLE_DIFFUSION_XL
from edgediff_runtimes.families.z_image import Z_IMAGE

__all__ = ["FAMILIES", "Configs", "Family", "family_of"]

FAMILIES: tuple[Family, ...] = (
    AURA_FLOW,
    CONSISTENCY_MODELS,
    DDPM,
    DIT,
    FLUX,
    FLUX2_KLEIN,
    HUNYUAN_DIT,
    KOLORS,
    LDM_SUPER_RESOLUTION,
    LUMINA2,
    PIXART,
    QWEN_IMAGE,
    QWEN_IMAGE_EDIT,
    SANA,
    SANA_SPRINT,
    SCORE_SDE,
    STABLE_DIFFUSION,
    STABLE_DIFFUSION_3,
    STABLE_DIFFUSION_UPSCALE,
    STABLE_DIFFUSION_XL,
    Z_IMAGE,
)


def family_of(class_name: str) -> Family:
    """The family that covers a pipeline class of diffusers.

    Raises:
        BundleError: None does.
    """
    for family in FAMILIES:
        if class_name in family.pipelines:
            return family
    known = sorted(name for family in FAMILIES for name in family.pipelines)
    raise BundleError(
        f"the family of `{class_name}` is unknown: expected one of {', '.join(known)}",
        hint="the README has the list of families",
    )
