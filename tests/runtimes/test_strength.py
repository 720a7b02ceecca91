"""What image-to-image runs of a schedule: its last part, or all of one that was made for the strength."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.recipe import Recipe, Schedule
from edgediff_runtimes.running.schedules import sampler_for
from edgediff_runtimes.settings import Options
from edgediff_runtimes.settings.resolve import resolve_settings

LCM = {"_class_name": "LCMScheduler"}


@pytest.fixture
def timesteps_of(manifest):
    def timesteps(strength_rule, scheduler, *, image=(64, 64), **options):
        stage = replace(manifest.recipe.first, schedule=Schedule(strength=strength_rule))
        given = {**options, "image": "fox.png"} if image else options
        settings = resolve_settings(Recipe((stage,)), manifest.defaults, "a fox", Options(**given), image_size=image)
        return sampler_for(stage, settings, scheduler).timesteps.tolist()

    return timesteps


def test_the_tail_of_the_schedule(timesteps_of):
    assert timesteps_of("tail", LCM, steps=4, strength=0.6) == [499, 259]


def test_the_whole_of_a_schedule_for_the_strength(timesteps_of):
    assert timesteps_of("whole", LCM, steps=4, strength=0.6) == [599, 459, 299, 159]


def test_the_whole_also_of_a_sampler_by_name(timesteps_of):
    assert timesteps_of("whole", {"_class_name": "DDIMScheduler"}, sampler="lcm", steps=4, strength=0.6) == [
        599,
        459,
        299,
        159,
    ]


def test_other_samplers_run_the_tail(timesteps_of):
    told = {rule: timesteps_of(rule, LCM, sampler="ddim", steps=10, strength=0.3) for rule in ("tail", "whole")}
    assert told["whole"] == told["tail"]
    assert len(told["whole"]) == 3


def test_custom_timesteps_run_their_tail(timesteps_of):
    options = {"sampler_options": {"timesteps": [999, 759, 499, 259]}, "strength": 0.5}
    assert timesteps_of("whole", LCM, **options) == [499, 259]


def test_without_a_picture_the_whole_schedule(timesteps_of):
    assert timesteps_of("whole", LCM, image=None, steps=4) == [999, 759, 499, 259]


def test_a_strength_for_too_few_steps_is_refused(timesteps_of):
    with pytest.raises(SamplerError, match=r"`strength` is 0\.05"):
        timesteps_of("whole", LCM, steps=4, strength=0.05)


def test_an_order_in_the_model_is_lowered_and_one_that_is_asked_for_refused(timesteps_of):
    dpm = {"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3}
    assert len(timesteps_of("tail", dpm, image=None, steps=2)) == 2
    for options in ({"sampler_options": {"solver_order": 3}}, {"sampler": "dpmpp_3m"}):
        with pytest.raises(SamplerError, match="`solver_order` is 3"):
            timesteps_of("tail", dpm, image=None, steps=2, **options)
