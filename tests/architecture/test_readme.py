"""What the README tells a program to do works."""

from __future__ import annotations

import re
from pathlib import Path

from edgediff.api import open_bundle

README = Path(__file__).parents[2] / "README.md"


def test_the_embedding_example_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - the example is ours
    assert (tmp_path / "apple.png").is_file()
    assert "4/4" in capsys.readouterr().out


def test_the_readme_fits_one_screen_of_a_patient_reader():
    assert len(README.read_text(encoding="utf-8").split()) <= 700


def test_what_is_drawn_with_reuse_has_a_schedule_of_half_the_calls():
    (name,) = re.findall(r"-m (\S+) --reuse auto +# half the network calls", README.read_text(encoding="utf-8"))
    bundle = open_bundle(name)
    (proved,) = [proof for proof in bundle.manifest.reuse if proof.guidance == bundle.manifest.defaults.guidance]
    assert sum(order is None for order in proved.orders) * 2 == proved.steps == bundle.manifest.defaults.steps
