"""Euler's ancestral method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.sampling.levels import chain
from edgediff_runtimes.sampling.reading.shared.exploding import (
    SPACING,
    WITHOUT_CLEAN,
    first_std,
    levels_of,
    spaced_floats,
)
from edgediff_runtimes.sampling.reading.shared.settings import BETAS, Reading, parametrisation, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import interpolate, training_sigmas
from edgediff_runtimes.sampling.solvers.ddim import Ddim

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    table = training_sigmas(alphas_cumprod(settings, keep_finite=True))
    timesteps = spaced_floats(settings, steps_of(settings))
    sigmas = np.append(interpolate(timesteps, table), 0.0).astype(np.float32)
    return Sampler(
        intervals=chain(levels_of(sigmas, timesteps)),
        solver=Ddim(eta=1.0),
        parametrisation=parametrisation(settings, WITHOUT_CLEAN),
        init_noise_sigma=first_std(settings, sigmas),
    )


_FIELDS: dict[str, Any] = {**BETAS, **SPACING, "rescale_betas_zero_snr": False}

READING = Reading(_FIELDS, _build)
