"""Every scheduler that diffusers exports is read, or refused with a reason."""

from __future__ import annotations

import inspect

import diffusers.schedulers as theirs
import pytest
from sampler_cases import CASES

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling import build_sampler, sampler_config, sampler_table
from edgediff_runtimes.sampling.reading.table import READINGS as ALL
from edgediff_runtimes.sampling.refused import REFUSED

OURS = {name for name in ALL if name.startswith("Edgediff")}
READINGS = {name: reading for name, reading in ALL.items() if name not in OURS}
pytest.importorskip("scipy")
pytest.importorskip("torchsde")


def exported() -> set[str]:
    names = {name for module in theirs._import_structure.values() for name in module}
    return {name for name in names if name.endswith("Scheduler")}


def test_every_class_is_known() -> None:
    assert set(READINGS) | set(REFUSED) == exported()
    assert not set(READINGS) & set(REFUSED)


def test_every_class_that_is_read_is_compared() -> None:
    compared = {case.config["_class_name"] for case in CASES} | {"VQDiffusionScheduler", "AmusedScheduler"}
    assert compared == set(READINGS)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refusal_names_the_reason(name: str) -> None:
    with pytest.raises(SamplerError, match=name):
        build_sampler({"_class_name": name}, 4)


@pytest.mark.parametrize("name", sorted(READINGS))
def test_fields_and_defaults_are_those_of_diffusers(name: str) -> None:
    signature = inspect.signature(getattr(theirs, name).__init__).parameters
    fields = {k: p.default for k, p in signature.items() if k not in ("self", "kwargs")}
    known = dict(READINGS[name].fields)
    # The fields of the base image tables and of the tokens have no default, or an equal one.
    assert set(known) == set(fields)
    for field, default in fields.items():
        if default is not inspect.Parameter.empty:
            assert known[field] == default, field


BASE = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}


@pytest.mark.filterwarnings("ignore")  # diffusers' own
@pytest.mark.parametrize(
    "name", [row.name for row in sampler_table() if row.needs != "flow" and row.class_name not in OURS]
)
def test_names_carry_over_as_from_config_does(name: str) -> None:
    config = sampler_config(name, BASE)
    old = theirs.PNDMScheduler.from_config(BASE)
    made = sampler_config(name, {"_class_name": "PNDMScheduler"})
    fixed = {k: v for k, v in made.items() if k != "_class_name"}
    new = getattr(theirs, config["_class_name"]).from_config(old.config, **fixed)
    new.set_timesteps(12)
    assert build_sampler(config, 12).timesteps.astype(float).tolist() == pytest.approx(new.timesteps.tolist(), abs=1e-3)
