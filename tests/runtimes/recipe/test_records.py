"""Declarations as JSON: annotations are checked, and every whole number has a bound, however deep it lies."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from edgediff_runtimes.errors import ManifestError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.recipe.declarations import Choice, Sinusoid, Tokens
from edgediff_runtimes.recipe.records import read_record, write_record


@dataclass(frozen=True)
class Sample:
    length: tuple[int, ...] = ()
    axes: dict[str, int] = field(default_factory=dict)
    scale: float = 1.0


def test_what_is_written_is_read():
    sample = Sample((77, 512), {"a": 3}, 2.5)
    assert read_record(Sample, Fields(write_record(sample), "at")) == sample
    assert write_record(Sample()) == {}
    chat = Tokens("tokenizer", "ids", length=1058, template="user\n{}", padding="longest", kept="kept", dropped=34)
    assert read_record(Tokens, Fields(write_record(chat), "at")) == chat


@pytest.mark.parametrize(
    ("cls", "values", "place"),
    [
        (Sample, {"length": [77, 10**9]}, "at.length"),
        (Sample, {"length": [0]}, "at.length"),
        (Sample, {"axes": {"a": 10**6}}, "at.axes"),
        (Sample, {"axes": {"a": True}}, "at.axes"),
        (Sample, {"scale": 10**400}, "at.scale"),
        (Sample, {"depth": 1}, "at.depth"),
        (Sinusoid, {"choice": "guidance", "to": "scale", "dim": 10**7}, "at.dim"),
        (Tokens, {"tokenizer": "a", "ids": "b", "dropped": 10**6}, "at.dropped"),
        (Tokens, {"tokenizer": "a", "ids": "b", "dropped": -1}, "at.dropped"),
        (Tokens, {"tokenizer": "a", "ids": "b", "multiple": 0}, "at.multiple"),
        (Tokens, {"tokenizer": "a", "ids": "b", "padding": "some"}, "at.padding"),
        (Choice, {"choice": "label", "to": "label", "below": 3, "names": {"cat": 10**12}}, "at.names"),
    ],
    ids=str,
)
def test_no_number_without_a_bound(cls, values, place):
    with pytest.raises(ManifestError, match=re.escape(f"`{place}`")):
        read_record(cls, Fields(values, "at"))
