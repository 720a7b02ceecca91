"""Random combinations of fields against diffusers: equal results, or a refusal where diffusers fails or gives NaN."""

from __future__ import annotations

import random
import warnings
from typing import Any

import numpy as np
import pytest
from case_makers import GRIDS
from fake_network import SEED, fake_network
from sampler_reference import Case, first_noise, run

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.sampling import build_sampler
from edgediff_runtimes.sampling.reading.table import READINGS

VALUES: dict[str, list[Any]] = {
    "beta_schedule": ["linear", "scaled_linear"],
    "beta_start": [0.0001, 0.00085],
    "beta_end": [0.02, 0.012],
    "num_train_timesteps": [1000, 500],
    "prediction_type": ["epsilon", "v_prediction", "sample"],
    "timestep_spacing": ["leading", "trailing", "linspace"],
    "steps_offset": [0, 1],
    "use_karras_sigmas": [False, False, True],
    "use_exponential_sigmas": [False, False, True],
    "use_beta_sigmas": [False, False, True],
    "rescale_betas_zero_snr": [False, True],
    "final_sigmas_type": ["zero", "sigma_min"],
    "thresholding": [False, True],
    "sample_max_value": [1.0, 2.0],
    "clip_sample": [False, True],
    "clip_sample_range": [1.0, 0.5],
    "set_alpha_to_one": [True, False],
    "solver_order": [1, 2, 3],
    "solver_type": ["midpoint", "heun", "bh1", "bh2", "logrho"],
    "algorithm_type": ["dpmsolver++", "dpmsolver", "sde-dpmsolver++", "deis", "data_prediction", "noise_prediction"],
    "lower_order_final": [True, False],
    "euler_at_final": [False, True],
    "use_lu_lambdas": [False, True],
    "lambda_min_clipped": [-float("inf"), -4.0],
    "predict_x0": [True, False],
    "predictor_order": [1, 2, 3],
    "corrector_order": [1, 2, 3],
    "variance_type": ["fixed_small", "fixed_large", None],
    "shift": [1.0, 3.0, 0.5],
    "shift_terminal": [None, 0.1],
    "stochastic_sampling": [False, True],
    "skip_prk_steps": [True, False],
    "snr_shift_scale": [1.0, 3.0],
    "sigma_schedule": ["karras", "exponential"],
    "rho": [7.0, 5.0],
}
# What runs in a loop of its own, or is compared with a bound of its own, stands in the fixed cases.
APART = (
    "Helios",
    "Piflow",
    "RePaint",
    "VQ",
    "Amused",
    "ScoreSde",
    "KarrasVe",
    "ConsistencyDecoder",
    "DDPMWuer",
    "SCM",
    "Edgediff",
)
LOOSE = ("DPMSolverSDE", "CosineDPM", "UnCLIP")
NAMES = [name for name in READINGS if not name.startswith((*APART, *LOOSE))]
# Refused although diffusers returns numbers: they mean nothing there.
MEANINGLESS = ("order of at most 2", "zero SNR", "invert_sigmas", "one of 1, 2", "at most one grid")


def random_case(seed: int) -> Case:
    rng = random.Random(seed)  # noqa: S311 - a test's configs, no secret
    name = rng.choice(NAMES)
    fields = [field for field in READINGS[name].fields if field in VALUES and rng.random() < 0.5]
    config = {"_class_name": name} | {field: rng.choice(VALUES[field]) for field in fields}
    return Case(
        f"seed {seed}", config, rng.choice([1, 2, 3, 5, 7, 13, 20]), shape=rng.choice([(1, 3, 4, 5), (2, 3, 6)])
    )


@pytest.mark.filterwarnings("ignore")  # diffusers' own, about what it divides by
@pytest.mark.parametrize("seed", range(240))
def test_equals_diffusers_or_is_refused(seed: int) -> None:
    case = random_case(seed)
    for package in case.needs():
        pytest.importorskip(package)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            timesteps, expected = run(case)
    except Exception:  # noqa: BLE001 - diffusers refuses in many ways, or crashes
        timesteps, expected = None, np.array(np.nan)
    fails = not np.isfinite(expected).all()
    try:
        sampler = build_sampler(case.config, case.steps)
        got = sampler.sample(fake_network, first_noise(case.shape), rng=noise_source(SEED))
    except SettingError as error:
        refusal = str(error)
        got = None
    if got is None:
        assert fails or any(words in refusal for words in MEANINGLESS), (case.config, case.steps, refusal)
        return
    assert np.isfinite(got).all(), (case.config, case.steps)
    if not fails:
        # A level between two timesteps is told as a whole one, cut off: the last bit of its sigma may decide which.
        cut = any(case.config.get(grid) for grid in GRIDS) and np.issubdtype(timesteps.dtype, np.integer)
        np.testing.assert_allclose(sampler.timesteps, timesteps, rtol=1e-6, atol=1 if cut else 0.02)
        # The inverse solver divides by an alpha of 1/130 where betas are linear, and multiplies float32's rounding.
        bound = 2e-4 if "Inverse" in case.config["_class_name"] else 1e-4
        assert np.abs(got - expected).max() <= bound * np.abs(expected).max(), (case.config, case.steps)
