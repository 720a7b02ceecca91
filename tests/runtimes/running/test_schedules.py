"""Dynamic shifting: what a stage adds to the scheduler's config."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.recipe.recipe import Schedule, Space
from edgediff_runtimes.running import schedules
from edgediff_runtimes.settings import Settings


@pytest.mark.parametrize(
    # By diffusers' `compute_empirical_mu`.
    ("side", "steps", "mu"),
    [(192, 4, 1.9601402825300882), (4096, 50, 2.0233511571292633), (5000, 4, 1.30301666)],
)
def test_the_shift_of_flux2_is_a_fit_to_tokens_and_steps(side, steps, mu):
    stage = SimpleNamespace(space=Space(16, factor=16), schedule=Schedule(shift="flux2", token=16))
    settings = Settings((), (), 1, 0, "torch-cpu", steps, None, 0.0, None, width=16 * side, height=16)
    assert schedules._mu(stage, settings, {}) == pytest.approx(mu, rel=1e-12)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"base_shift": "a"}, "`base_shift` is 'a': expected a finite number, because the schedule is shifted by it"),
        ({"max_shift": None}, "`max_shift` is None: expected a finite number, because the schedule is shifted by it"),
        ({"base_shift": True}, "`base_shift` is True: expected a finite number, because the schedule is shifted by it"),
        (
            {"base_image_seq_len": 9, "max_image_seq_len": 9},
            "`max_image_seq_len` is 9: expected another number than `base_image_seq_len`",
        ),
        (
            {"max_shift": 1e308, "base_image_seq_len": 4095},
            "`max_shift` is 1e+308: expected a number that leaves the shift of 64 tokens finite",
        ),
    ],
)
def test_odd_ends_of_a_shift_are_refused(config, sentence):
    stage = SimpleNamespace(space=Space(16, factor=8), schedule=Schedule(shift="linear", token=16))
    settings = Settings((), (), 1, 0, "torch-cpu", 4, None, 0.0, None, width=128, height=128)
    with pytest.raises(SamplerError) as caught:
        schedules._mu(stage, settings, config)
    assert caught.value.sentence == sentence
