"""The page of the API says what the docstrings say, of every public name."""

from __future__ import annotations

import importlib
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SCRIPT = runpy.run_path(str(DOCS / "make_api_page.py"))
PAGE = (DOCS / "api.md").read_text(encoding="utf-8")


def test_the_page_is_up_to_date():
    assert SCRIPT["page"]() == PAGE, "make it again: python docs/make_api_page.py"


@pytest.mark.parametrize("module", SCRIPT["MODULES"])
def test_every_public_name_has_its_place(module):
    headings = {line.removeprefix("### ").strip("`") for line in PAGE.splitlines() if line.startswith("### ")}
    names = importlib.import_module(module).__all__
    assert names
    assert {f"{module}.{name}" for name in names} - headings == set()


def test_methods_signatures_and_sections_are_there():
    assert "#### `edgediff.Pipeline.draw`\n\n```python\nasync def draw(" in PAGE
    assert "#### `edgediff.Pipeline.__call__`" in PAGE
    assert '    device: ByRole[str] = "auto",\n' in PAGE
    assert "- `seed`: Seed of the first picture" in PAGE
    assert "_KINDS: " not in PAGE


def test_a_docstring_becomes_markdown():
    text = (
        "Sum ``a`` and ``b``.\n\n    a tree\n    of lines\n\n>>> add(1, 2)\n3\n\n"
        "Args:\n    a: One,\n        or more.\n    **rest: All else.\n\nReturns:\n    The sum.\n\n"
        "Raises:\n    ValueError: Never."
    )
    assert SCRIPT["prose"](text) == (
        "Sum `a` and `b`.\n\n```text\n    a tree\n    of lines\n```\n\n```pycon\n>>> add(1, 2)\n3\n```\n\n"
        "**Args**\n\n- `a`: One,\n  or more.\n- `**rest`: All else.\n\n**Returns**\n\nThe sum.\n\n"
        "**Raises**\n\n- `ValueError`: Never."
    )
