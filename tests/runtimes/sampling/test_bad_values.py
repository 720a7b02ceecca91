"""No value of any field of any class ends in a traceback: it is applied, or refused in one sentence that names it."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.sampling import build_sampler
from edgediff_runtimes.sampling.reading.table import READINGS

BAD = (
    math.nan,
    math.inf,
    -math.inf,
    -1,
    0,
    0.5,
    3,
    "abc",
    "",
    True,
    [],
    ["a"],
    [1.0, math.nan],
    [[1.0], [2.0]],
    None,
    1e-320,
    1e308,
    -1e308,
    10**9,
    10**30,
    10**400,
    "-inf",
    {},
    [10**400],
    {"a": [{}]},
)
# What a class cannot be built without.
NEEDED = {
    "HeliosScheduler": {"stage_index": 0},
    "VQDiffusionScheduler": {"num_vec_classes": 5},
    "AmusedScheduler": {"mask_token_id": 4},
    "RePaintScheduler": {"original_image": [[0.0]], "mask": [[1.0]]},
    "ConsistencyDecoderScheduler": {"steps": 2},
}


def traceback_of(name: str, given) -> str | None:
    """What is raised beside the refusal in one sentence."""
    try:
        build_sampler({"_class_name": name}, **given)
    except SamplerError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what this test looks for
        return repr(error)
    return None


@pytest.mark.parametrize("name", sorted(READINGS))
def test_no_value_of_a_field_ends_in_a_traceback(name: str) -> None:
    reading, base = READINGS[name], {"steps": 4, **NEEDED.get(name, {})}
    fields = [*reading.fields, *reading.keywords, *reading.takes, "steps", "grid"]
    build_sampler({"_class_name": name}, **base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an overflow of a number that is far off is no traceback
        found = {(field, str(v)): traceback_of(name, {**base, field: v}) for field in fields for v in BAD}
    assert {key: error for key, error in found.items() if error} == {}


@pytest.mark.parametrize(
    "field", ["num_train_timesteps", "original_inference_steps", "solver_order", "n_grid", "stages"]
)
def test_a_number_that_becomes_memory_has_a_bound_with_its_reason(field: str) -> None:
    name = next(name for name in sorted(READINGS) if field in READINGS[name].fields)
    with pytest.raises(SamplerError, match=rf"`{field}` is 1000000000: expected .* at most 100,000, because ."):
        build_sampler({"_class_name": name, field: 10**9}, steps=4)


@pytest.mark.parametrize("steps", [10_001, 10**9])
def test_steps_have_a_bound(steps: int) -> None:
    with pytest.raises(SamplerError, match=r"`steps` is .* at most 10,000, because "):
        build_sampler({"_class_name": "EulerDiscreteScheduler"}, steps=steps)


def test_an_infinity_written_as_a_text_is_that_number() -> None:
    config = {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver++"}
    read = build_sampler({**config, "lambda_min_clipped": "-inf"}, steps=5)
    assert read.timesteps.tolist() == build_sampler(config, steps=5).timesteps.tolist()


@pytest.mark.parametrize("name", ["DDIMScheduler", "LCMScheduler", "EulerDiscreteScheduler"])
def test_a_whole_number_written_as_a_fraction_counts(name: str) -> None:
    written = {"_class_name": name, "num_train_timesteps": 1000.0, "steps_offset": 1.0}
    whole = {"_class_name": name, "num_train_timesteps": 1000, "steps_offset": 1}
    assert build_sampler(written, steps=4).timesteps.tolist() == build_sampler(whole, steps=4).timesteps.tolist()


def test_levels_that_a_formula_cannot_take_are_refused_in_the_step() -> None:
    config = {"_class_name": "LTXEulerAncestralRFScheduler", "num_train_timesteps": 1000}
    sampler = build_sampler(config, steps=3)
    with pytest.raises(SamplerError, match=r"`sigma` is .*: expected levels that its formulas can take \(division"):
        sampler.sample(lambda _x, _t: 1 / 0, np.ones((1, 1, 1, 1), np.float32), rng=noise_source(0))  # stands for one
