"""Pictures drawn on for minutes."""

from __future__ import annotations

import pytest

from edgediff.bench.sustaining import paces, rows_by_minute


def _pictures(*seconds, joules=None):
    ends = [sum(seconds[: index + 1]) for index in range(len(seconds))]
    return [[end, each, 4, joules] for end, each in zip(ends, seconds, strict=True)]


def test_a_row_a_minute_against_the_first():
    told = rows_by_minute(_pictures(*[20.0] * 3, *[30.0] * 2, *[40.0] * 2, joules=12.5))
    assert [row[2] for row in told] == ["3", "2", "2"]
    assert [row[3] for row in told] == ["12", "8", "6"]
    assert [row[4] for row in told] == ["1.00", "0.67", "0.50"]
    assert [row[5] for row in told] == ["12.5 J"] * 3
    assert told[1][:2] == ("60 s", "120 s")


def test_what_remains_belongs_to_the_last_minute():
    assert [row[2] for row in rows_by_minute(_pictures(*[20.0] * 4))] == ["4"]
    assert [row[2] for row in rows_by_minute(_pictures(*[20.0] * 5))] == ["3", "2"]


def test_energy_that_is_not_known_of_every_picture_is_not_told():
    pictures = _pictures(10.0, 10.0, joules=3.0)
    pictures[1][3] = None
    assert rows_by_minute(pictures)[0][5] == "not available"


def test_pace_of_each_picture():
    assert paces(_pictures(30.0, 60.0)) == [(30.0, pytest.approx(8)), (90.0, pytest.approx(4))]
