"""What the README tells a program to do works."""

from __future__ import annotations

import re
from pathlib import Path

import edgediff
from edgediff_runtimes.sampling.reuse import FEWEST
from edgediff_runtimes.tuning.runs import Runs, Subject

README = Path(__file__).parents[2] / "README.md"


def test_the_embedding_example_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - the example is ours
    assert (tmp_path / "apple.png").is_file()
    assert "4/4" in capsys.readouterr().out


def test_the_readme_fits_one_screen_of_a_patient_reader():
    assert len(README.read_text(encoding="utf-8").split()) <= 700


def test_the_model_that_is_tuned_can_be_tuned():
    (name,) = re.findall(r"edgediff tune (\S+)", README.read_text(encoding="utf-8"))
    with edgediff.load(name) as pipeline:
        runs = Runs.of(pipeline, {}, Subject("a red apple", 0))
    assert runs.calls > 2 * FEWEST
