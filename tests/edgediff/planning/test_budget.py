"""What a budget may be."""

from __future__ import annotations

import pytest

from edgediff.planning.budget import Budget
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.plain import as_seconds

NOTHING = {"memory": None, "latency": None, "min_psnr": None, "prefer": None}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20s", 20.0), ("800ms", 0.8), ("1.5 min", 90.0), ("7", 7.0), ("0s", None), ("-1s", None), ("soon", None)],
)
def test_a_time_in_words(text, seconds):
    assert as_seconds(text) == seconds


def test_amounts_are_read():
    budget = Budget.read(memory="8GB", latency="20s", min_psnr=35, prefer=None)
    assert budget == Budget(memory=8 * 10**9, latency=20.0, min_psnr=35.0, prefer="time")
    assert Budget.read(**{**NOTHING, "memory": 5, "latency": 2}) == Budget(memory=5, latency=2.0, prefer="quality")


@pytest.mark.parametrize(
    ("limits", "preferred"),
    [
        ({}, "quality"),
        ({"memory": "1GB", "latency": 1}, "quality"),
        ({"min_psnr": 30}, "time"),
        ({"min_psnr": 30, "latency": 1}, "memory"),
        ({"min_psnr": 30, "latency": 1, "memory": 1}, "time"),
        ({"min_psnr": 30, "prefer": "memory"}, "memory"),
    ],
)
def test_the_first_without_a_limit_is_preferred(limits, preferred):
    assert Budget.read(**{**NOTHING, **limits}).prefer == preferred


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("memory", value) for value in ("much", 0, -1, True, 1.5)),
        *(("latency", value) for value in ("soon", 0, -2.0, float("nan"), True)),
        *(("min_psnr", value) for value in (float("inf"), "35")),
        ("prefer", "beauty"),
    ],
)
def test_what_is_no_amount_is_refused(name, value):
    with pytest.raises(SettingError, match=f"`{name}` is .*: expected"):
        Budget.read(**{**NOTHING, name: value})
