"""A plan as rows of tables."""

from __future__ import annotations

from edgediff.planning.budget import Budget
from edgediff.planning.choosing import choose
from edgediff.planning.knobs import KNOBS
from edgediff.planning.plan import Plan
from edgediff.planning.tables import _DEFAULTS, trade_rows


def test_a_setting_at_its_default_is_told_in_its_own_words(candidate):
    named = ("decoder", "tile", "steps", "reuse")
    chosen = candidate("a", **dict.fromkeys(named))
    others = [
        candidate("a", **{**dict.fromkeys(named), name: value})
        for name, value in zip(named, ("tiny", 288, 10, 4), strict=True)
    ]
    choice = choose([chosen, *others], Budget(prefer="time"))
    rows = trade_rows(Plan(Budget(), choice, (), ()))
    assert {(name, at, other) for name, at, other, *_ in rows} == {
        ("decoder", "full", "tiny"),
        ("tile", "whole", "288"),
        ("steps", "the bundle's", "10"),
        ("reuse", "off", "4"),
    }


def test_every_setting_with_a_default_has_words_for_it():
    assert {knob.name for knob in KNOBS} - {"residency", "low_memory"} | {"execution"} == _DEFAULTS.keys()
