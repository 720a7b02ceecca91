"""A frozen app draws where there is no Python, no network and an empty environment."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.nightly  # builds a wheel and an environment and fetches PyInstaller: minutes
def test_a_frozen_app_draws(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    import harness  # noqa: PLC0415 - found by the line above

    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["run.py", "--runs", "1"])
    runpy.run_path(str(FOLDER / "freezing" / "run.py"), run_name="__main__")
    assert "stored in" in capsys.readouterr().out
    result = json.loads((tmp_path / "freezing.json").read_text(encoding="utf-8"))
    assert result["report"]["again_equal"] is True
    assert 0 < result["bytes"] < 250e6
