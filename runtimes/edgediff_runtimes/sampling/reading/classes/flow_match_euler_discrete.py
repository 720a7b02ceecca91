"""Euler's method on flows, deterministic or with fresh noise in each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain
from edgediff_runtimes.sampling.prediction import Flow, InvertedFlow
from edgediff_runtimes.sampling.reading.shared.flow import FLOW_FIELDS, FLOW_TAKES, check_flow, flow_levels
from edgediff_runtimes.sampling.reading.shared.settings import Reading
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.solvers.ddim import Ddim
from edgediff_runtimes.sampling.solvers.renoise import Renoise

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    check_flow(settings)
    inverted = settings["invert_sigmas"]
    if inverted and settings["stochastic_sampling"]:
        raise SamplerError("stochastic_sampling", got=True, expected="False beside `invert_sigmas`")
    return Sampler(
        intervals=chain(flow_levels(settings)),
        solver=Renoise() if settings["stochastic_sampling"] else Ddim(),
        parametrisation=InvertedFlow() if inverted else Flow(),
        fractional_strength=True,
    )


READING = Reading({**FLOW_FIELDS, "stochastic_sampling": False}, _build, FLOW_TAKES, both_grids=True)
