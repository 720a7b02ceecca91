"""``docs/bundle-format.md`` is what the code reads."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from edgediff_runtimes import bundle, tensors
from edgediff_runtimes.bundle import manifest
from edgediff_runtimes.errors import EdgediffError
from edgediff_runtimes.recipe import KINDS, Guidance, Schedule, Space, Stage

OF_RECIPES = [Stage, Space, Guidance, Schedule]
PARTS = [value for value in vars(bundle).values() if dataclasses.is_dataclass(value) and value is not bundle.Bundle]
NO_FIELD = {(manifest.Manifest, "recipe")}  # the file calls it `stages`


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
    fields = {field.name for field in dataclasses.fields(manifest.Manifest)} - {"recipe"}
    assert json.loads(example).keys() == {*fields, "tasks", "parts", "stages"}


@pytest.mark.parametrize("part", [*PARTS, *OF_RECIPES, tensors.TensorSpec], ids=lambda part: part.__name__)
def test_every_field_is_explained(document, part):
    names = [field.name for field in dataclasses.fields(part)]
    assert [name for name in names if f"`{name}`" not in document and (part, name) not in NO_FIELD] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_part_has_its_row(document, kind):
    section = document.partition("### Parts")[2]
    (row,) = re.findall(rf"^\| `{kind}` \| (.*?) \| ", section, re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == [field.name for field in dataclasses.fields(KINDS[kind])]


def test_every_value_that_is_checked_is_named(document):
    for value in (manifest.FORMAT_VERSION, *manifest.FORMATS, *tensors.DTYPES, *manifest.TOKENIZER_KINDS):
        assert f"`{value}`" in document, value


NEEDED = re.compile(r"^\| (`\w+`(?:, `\w+`)*) \| [^|]+\|( yes | )\|", re.MULTILINE)


def test_needed_fields_are_needed_and_the_others_are_not(document, example):
    """Each field of the tables, taken out of the example wherever it stands: refused if and only if it is needed."""
    table = {}
    for names, needed in NEEDED.findall(document):
        for name in re.findall(r"\w+", names):  # one name may stand in several tables, and is taken out everywhere
            table[name] = table.get(name, False) or needed.strip() == "yes"
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
