from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgediff.bench.summaries import paired_ratios, summarise

POSITIVE = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=30)


def test_a_known_summary():
    assert summarise([3.0, 1.0, 2.0, 10.0]) == {"n": 4, "median": 2.5, "p90": 10.0, "min": 1.0, "max": 10.0}
    assert summarise(range(1, 21))["p90"] == 18


@given(POSITIVE)
def test_a_summary_is_ordered_and_p90_was_measured(values):
    found = summarise(values)
    assert found["min"] <= found["median"] <= found["max"]
    assert found["p90"] in values
    assert sum(value <= found["p90"] for value in values) >= 0.9 * len(values)


@given(POSITIVE, st.floats(0.1, 10))
def test_a_machine_that_slows_down_does_not_touch_the_ratio_of_pairs(base, factor):
    ratio = paired_ratios([factor * value for value in base], base)
    assert ratio["min"] == pytest.approx(factor)
    assert ratio["max"] == pytest.approx(factor)


def test_no_pair_no_ratio():
    assert paired_ratios([], [1.0]) is None
    assert paired_ratios([1.0], [0.0]) is None
