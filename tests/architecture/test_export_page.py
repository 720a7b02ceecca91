"""``docs/export.md`` says what the code does."""

from __future__ import annotations

import dataclasses
import re

import pytest

pytest.importorskip("torch")

from edgediff_exporters import PRECISIONS, TrialOptions, precision


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "export.md").read_text(encoding="utf-8")


def test_the_table_of_precisions_is_that_of_the_code(page):
    told = dict(re.findall(r"^\| `(\w+)` \| (both|openvino|onnx) \|", page, re.MULTILINE))
    assert told == {
        name: "both" if set(row.formats) >= {*precision.FORMATS} else ", ".join(row.formats)
        for name, row in PRECISIONS.items()
    }


def test_every_option_of_the_trials_is_told(page):
    for field in dataclasses.fields(TrialOptions):
        assert f"`--{field.name.replace('_', '-')} " in page
