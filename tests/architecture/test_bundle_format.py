"""``docs/bundle-format.md`` is what the code reads."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from edgediff_runtimes import bundle, tensors
from edgediff_runtimes.bundle import derived, manifest
from edgediff_runtimes.errors import EdgediffError

PARTS = [value for value in vars(bundle).values() if dataclasses.is_dataclass(value) and value is not bundle.Bundle]


@pytest.fixture(scope="module")
def document(root):
    return (root / "docs" / "bundle-format.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example(document):
    (text,) = re.findall(r"```json\n(.*?)```", document, re.DOTALL)
    return text


def test_the_example_is_a_manifest(example):
    read = manifest.Manifest.from_json(example)
    assert manifest.Manifest.from_json(read.to_json()) == read


def test_the_example_shows_every_field(example):
    assert json.loads(example).keys() == {field.name for field in dataclasses.fields(manifest.Manifest)}


@pytest.mark.parametrize("part", [*PARTS, tensors.TensorSpec], ids=lambda part: part.__name__)
def test_every_field_is_explained(document, part):
    assert [field.name for field in dataclasses.fields(part) if f"`{field.name}`" not in document] == []


def test_every_value_that_is_checked_is_named(document):
    families = set(derived.FAMILIES.values())
    for value in (
        manifest.FORMAT_VERSION,
        *manifest.FORMATS,
        *manifest.STRENGTHS,
        *tensors.DTYPES,
        *families,
        *derived.REQUIRED,
    ):
        assert f"`{value}`" in document, value


NEEDED = re.compile(r"^\| (`\w+`(?:, `\w+`)*) \| [^|]+\|( yes | )\|", re.MULTILINE)


def test_needed_fields_are_needed_and_the_others_are_not(document, example):
    """Each field of the tables, taken out of the example wherever it stands: refused if and only if it is needed."""
    table = {
        name: needed.strip() == "yes"
        for names, needed in NEEDED.findall(document)
        for name in re.findall(r"\w+", names)
    }
    assert len(table) > 30
    wrong = {}
    for name, needed in table.items():
        values = json.loads(example)
        _remove(values, name)
        try:
            manifest.Manifest.from_json(json.dumps(values))
        except EdgediffError:
            refused = True
        else:
            refused = False
        if refused != needed:
            wrong[name] = needed
    assert wrong == {}


def _remove(values, name):
    if isinstance(values, dict):
        values.pop(name, None)
        for value in values.values():
            _remove(value, name)
    elif isinstance(values, list):
        for value in values:
            _remove(value, name)
