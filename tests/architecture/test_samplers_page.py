"""The page on samplers says what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgediff_runtimes.sampling import sampler_table
from edgediff_runtimes.sampling.reading.table import READINGS
from edgediff_runtimes.sampling.refused import REFUSED
from edgediff_runtimes.sampling.schedules.named_grids import NAMED_GRIDS

PAGE = Path(__file__).parents[2] / "docs" / "samplers.md"


def row_of(info) -> str:
    """One line of the page's table."""
    meant = {"any": "", "guidance": "guidance above 1, to about 2"}.get(info.needs, f"{info.needs} models")
    kind = "stochastic" if info.stochastic else "deterministic"
    steps = f"{info.steps[0]}-{info.steps[1]}"
    return f"| `{info.name}` | {info.order} | {kind} | {info.calls} | {steps} | {meant} | {info.source} |"


@pytest.mark.parametrize("info", sampler_table(), ids=lambda info: info.name)
def test_every_sampler_has_its_row(info) -> None:
    assert row_of(info) in PAGE.read_text(encoding="utf-8").splitlines()


def test_every_class_and_grid_is_named() -> None:
    page = PAGE.read_text(encoding="utf-8")
    missing = [name for name in (*READINGS, *REFUSED, *NAMED_GRIDS) if f"`{name}`" not in page]
    assert missing == []


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_every_refusal_has_its_reason(name: str) -> None:
    assert REFUSED[name] in PAGE.read_text(encoding="utf-8").replace("\n", " ")
