"""Time steps as sines and cosines."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgediff_runtimes.parts import run_part
from edgediff_runtimes.parts.times import number_of
from edgediff_runtimes.recipe.declarations import TimeSinusoid


@pytest.mark.parametrize(
    ("time", "dim", "cosine_first", "shift"),
    [(999.0, 112, True, 0.0), (0.5, 8, False, 1.0), (37.0, 9, True, 0.0)],
)
def test_a_time_step_is_that_of_the_networks(context, time, dim, cosine_first, shift):
    made = context(values={"t": np.float64([time])})
    run_part(TimeSinusoid("t", "features", dim, cosine_first=cosine_first, shift=shift), made)
    half = dim // 2
    angles = [time * 10_000 ** (-i / (half - shift)) for i in range(half)]
    sines, cosines = [math.sin(angle) for angle in angles], [math.cos(angle) for angle in angles]
    expected = [*(cosines + sines if cosine_first else sines + cosines), *([0.0] * (dim % 2))]
    got = made.array("features")
    assert (got.shape, got.dtype) == ((1, dim), np.float32)
    np.testing.assert_allclose(got, [expected], atol=1e-4)  # float32 phases of up to 1000


def test_every_number_has_a_row(context):
    made = context(values={"levels": np.float32([1, 2, 3])})
    run_part(TimeSinusoid("levels", "features", 4), made)
    np.testing.assert_allclose(made.array("features")[:, 0], np.sin([1, 2, 3]), atol=1e-6)


@pytest.mark.parametrize(
    "part",
    [
        TimeSinusoid("t", "features", 320, cosine_first=True),
        TimeSinusoid("t", "features", 9, shift=1.0),
        TimeSinusoid("t", "features", 8),
    ],
)
@pytest.mark.parametrize("time", [999.0, 513.25, 1.0, 0.0012, 0.0])
def test_the_time_step_can_be_told_of_its_row(context, part, time):
    made = context(values={"t": np.float64([time])})
    run_part(part, made)
    assert number_of(part, made.array("features")[0]) == pytest.approx(time, rel=1e-4, abs=1e-6)
