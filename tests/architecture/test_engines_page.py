"""``docs/engines.md`` says what the code does."""

from __future__ import annotations

import re

import pytest

from edgediff_runtimes import compiled_cache
from edgediff_runtimes.engines import ENGINES
from edgediff_runtimes.engines.execution import EXECUTIONS
from edgediff_runtimes.precisions import PRECISIONS

PLACES = {"first": 0, "second": 1, "third": 2, "only": 0}


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "engines.md").read_text(encoding="utf-8")


def test_every_engine_is_there(page):
    assert [name for name in ENGINES if f"| `{name}`" not in page] == []


def test_the_table_of_executions_is_that_of_the_code(page):
    columns = re.search(r"^\| precision \| (.*) \|$", page, re.MULTILINE)[1].split(" | ")
    assert columns == list(EXECUTIONS)
    told = {}
    for names, cells in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*)\|$", page, re.MULTILINE):
        places = {
            PLACES[cell.strip()]: column
            for column, cell in zip(columns, cells.split("|"), strict=True)
            if cell.strip() in PLACES
        }
        told |= {name: tuple(places[index] for index in sorted(places)) for name in re.findall(r"\w+", names) if places}
    assert told == {name: row.executions for name, row in PRECISIONS.items()}


def test_the_cache_is_described(page):
    for text in (compiled_cache.FOLDER_VARIABLE, compiled_cache.LIMIT_VARIABLE, "4 GiB", "edgediff cache --clear"):
        assert text in page
    assert compiled_cache.DEFAULT_LIMIT_BYTES == 4 << 30
