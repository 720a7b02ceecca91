"""A model of NumPy functions, and a coarser one."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality import Runner, make_reference

PROMPTS = ("a red apple", "the cat", "a car")


@pytest.fixture
def fp32(tiny, fake_engine):
    return Runner(tiny, Placement(engine=fake_engine))


@pytest.fixture
def coarse(tiny, answers):
    """Makes a runner whose named components give outputs rounded to a step."""

    def make(**steps):
        def handler(role, feeds):
            (name, output), *_ = answers[role](feeds).items()
            step = np.float32(steps.get(role, 0))
            return {name: (output / step).round() * step if step else output}

        return Runner(tiny, Placement(engine=FakeEngine(handler)))

    return make


@pytest.fixture
def reference(fp32):
    return make_reference(fp32, prompts=PROMPTS, seed=5, steps=8)
