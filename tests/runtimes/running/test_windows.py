"""Windows over a sample: where they lie, what they are shown, and that none is seen where there is nothing to see."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.parts import Value
from edgediff_runtimes.running.windows import Windows


def _random(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("sample", [(8, 8), (9, 16), (32, 24), (33, 57)])
@pytest.mark.parametrize("window", [8, 16])
def test_what_depends_on_one_entry_alone_is_what_the_whole_gives(sample, window):
    seen = []
    size = min(sample[0], window), min(sample[1], window)
    windows = Windows.over(sample, size, step=1)
    x, shown = _random(2, 4, *sample), _random(1, 3, sample[0] * 4, sample[1] * 4)

    def ask(x, conditions):
        seen.append(x.shape)
        return 2 * x + conditions["shown"].array[:, :1, ::4, ::4] + conditions["text"].array.mean()

    conditions = {"shown": Value(shown, "pictures"), "text": Value(_random(2, 7, 8), "texts")}
    got = windows.predict(ask, x, conditions)
    expected = 2 * x + shown[:, :1, ::4, ::4] + conditions["text"].array.mean()
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    assert {shape[-2:] for shape in seen} == {size}
    assert got.dtype == np.float32


def test_neighbours_share_half_and_begin_where_they_may():
    windows = Windows.over((64, 50), (16, 16), step=2)
    assert windows.rows == (0, 8, 16, 24, 32, 40, 48)
    assert all(start % 2 == 0 for start in windows.columns)
    assert (windows.columns[0], windows.columns[-1]) == (0, 34)
    assert max(b - a for a, b in zip(windows.columns, windows.columns[1:], strict=False)) <= 8


def test_channels_beyond_those_of_the_sample_are_kept():
    windows = Windows.over((16, 16), (8, 8), step=1)
    got = windows.predict(lambda x, _: np.concatenate([x, -x], axis=1), _random(1, 4, 16, 16), {})
    assert got.shape == (1, 8, 16, 16)
