"""ER-SDE, which diffusers lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgediff_runtimes.sampling.reading.shared.euler import EULER_FIELDS, EULER_TAKES, euler_levels
from edgediff_runtimes.sampling.reading.shared.settings import Reading, choose
from edgediff_runtimes.sampling.solvers.er_sde import ErSde

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.sampler import Sampler


def _build(settings: Settings) -> Sampler:
    stages = choose(settings, "stages", (1, 2, 3))
    return euler_levels(settings, ErSde(stages=stages, s_noise=settings["s_noise"]))


READING = Reading(EULER_FIELDS, _build, EULER_TAKES, {"stages": 3, "s_noise": 1.0}, fractional=True)
