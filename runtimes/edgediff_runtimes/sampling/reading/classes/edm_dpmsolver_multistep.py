"""DPM-Solver++ on EDM's levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgediff_runtimes.sampling.levels import chain
from edgediff_runtimes.sampling.reading.shared.dpm import multistep
from edgediff_runtimes.sampling.reading.shared.edm import (
    EDM_FIELDS,
    edm_end,
    edm_first_std,
    edm_levels,
    edm_sigmas,
    network,
)
from edgediff_runtimes.sampling.reading.shared.settings import THRESHOLDING, Reading, choose, limit, steps_of
from edgediff_runtimes.sampling.sampler import Sampler

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    kind = choose(settings, "algorithm_type", ("dpmsolver++", "sde-dpmsolver++", "deis"))
    sigmas = edm_sigmas(settings, steps)
    return Sampler(
        intervals=chain(edm_levels(settings, sigmas, edm_end(settings, sigmas))),
        solver=multistep(
            settings,
            order=choose(settings, "solver_order", (1, 2, 3)),
            kind="dpmsolver++" if kind == "deis" else kind,
        ),
        parametrisation=network(settings),
        limit=limit(settings),
        init_noise_sigma=edm_first_std(settings),
    )


_FIELDS: dict[str, Any] = {
    **EDM_FIELDS,
    **THRESHOLDING,
    "solver_order": 2,
    "algorithm_type": "dpmsolver++",
    "solver_type": "midpoint",
    "lower_order_final": True,
    "euler_at_final": False,
}

READING = Reading(_FIELDS, _build)
