"""Shells complete names of samplers, models, engines and devices, as docs/command.md says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "command.md"


def _complete(words, word):
    """What bash would be given, as click's script asks for it."""
    environment = {
        **os.environ,
        "_EDGEDIFF_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) if not word else len(words) - 1),
    }
    code = "from edgediff.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=environment, encoding="utf-8"
    )
    assert done.stderr == ""
    return [line.split(",")[1] for line in done.stdout.splitlines() if line.split(",")[1]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["edgediff", "mo"], ["models"]),
        (["edgediff", "run", "--sampler", "euler_a"], ["euler_a", "euler_ancestral"]),
        (["edgediff", "run", "-m", "emoji-"], ["emoji-lcm"]),
        (["edgediff", "run", "--engine", "o"], ["onnxruntime", "openvino"]),
        (["edgediff", "run", "--device", "aut"], ["auto"]),
        (["edgediff", "run", "--noise", "torch-cu"], ["torch-cuda"]),
        (["edgediff", "export", "--precision", "w"], ["w16", "w8", "w4"]),
        (["edgediff", "bench", "emoji-"], ["emoji-lcm"]),
        (["edgediff", "inspect", "emoji-"], ["emoji-lcm"]),
    ],
    ids=" ".join,
)
def test_names_are_completed(words, expected):
    assert {*expected} <= set(_complete(words, words[-1]))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_page_tells_the_line_for_each_shell(shell):
    (line,) = re.findall(rf"^.*_EDGEDIFF_COMPLETE={shell}_source edgediff.*$", DOCS.read_text("utf-8"), re.MULTILINE)
    code = "from edgediff.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        env={**os.environ, "_EDGEDIFF_COMPLETE": f"{shell}_source"},
        encoding="utf-8",
    )
    assert line
    assert "_EDGEDIFF_COMPLETE" in done.stdout
