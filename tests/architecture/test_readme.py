"""What the README tells a program to do works."""

from __future__ import annotations

import re
from pathlib import Path

import edgediff
from edgediff_runtimes.running.reusing import MADE_FOR_FEW

README = Path(__file__).parents[2] / "README.md"


def test_the_embedding_example_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - the example is ours
    assert (tmp_path / "apple.png").is_file()
    assert "4/4" in capsys.readouterr().out


def test_the_readme_fits_one_screen_of_a_patient_reader():
    assert len(README.read_text(encoding="utf-8").split()) <= 700


def test_what_is_tuned_is_a_bundle_of_ones_own_and_of_as_many_steps_as_are_needed():
    ((name, words),) = re.findall(r"edgediff tune (\S+) .* # (.*)", README.read_text(encoding="utf-8"))
    assert name not in edgediff.shipped_models()
    assert (MADE_FOR_FEW, "ten steps or more" in words) == (10, True)
