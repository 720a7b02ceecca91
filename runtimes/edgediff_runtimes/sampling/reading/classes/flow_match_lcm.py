"""Consistency steps on flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain
from edgediff_runtimes.sampling.prediction import Flow
from edgediff_runtimes.sampling.reading.shared.flow import FLOW_FIELDS, FLOW_TAKES, check_flow, flow_levels
from edgediff_runtimes.sampling.reading.shared.settings import Reading
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.solvers.renoise import Renoise

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    check_flow(settings)
    if settings["invert_sigmas"]:
        raise SamplerError("invert_sigmas", got=True, expected="False: consistency steps go from noise to data")
    if settings["scale_factors"]:
        hint = "sample at the final size, without `scale_factors`"
        raise SamplerError(
            "scale_factors", got=settings["scale_factors"], expected="none: sizes stay as they are", hint=hint
        )
    return Sampler(chain(flow_levels(settings)), Renoise(), Flow(), fractional_strength=True)


_FIELDS: dict[str, Any] = {**FLOW_FIELDS, "scale_factors": None, "upscale_mode": "bicubic"}

READING = Reading(_FIELDS, _build, FLOW_TAKES, both_grids=True)
