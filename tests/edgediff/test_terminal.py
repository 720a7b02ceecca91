"""The command at a terminal: colours and progress bars, and NO_COLOR."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")


@pytest.fixture
def terminal(tmp_path):
    """Runs the command at a terminal; gives its exit code and all that was shown."""

    def terminal(*args, **environment):
        ours, theirs = pty.openpty()
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        with subprocess.Popen(
            [sys.executable, "-c", "from edgediff.cli import main; main()", *map(str, args)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=tmp_path,
            env={**kept, "TERM": "xterm-256color", **environment},
        ) as process:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    part = os.read(ours, 1 << 16)
                except OSError:  # Linux says so where others give an empty read
                    break
                if not part:
                    break
                shown += part
        os.close(ours)
        return process.returncode, shown.decode()

    return terminal


def test_an_error_is_coloured(terminal, tmp_path):
    code, shown = terminal("inspect", tmp_path)
    assert code == 1
    assert "\x1b[31m\x1b[1merror:\x1b[0m" in shown


@pytest.mark.parametrize(
    ("args", "expected"), [(["inspect", "."], 1), (["inspect"], 2), (["devices"], 0)], ids=["known", "usage", "table"]
)
def test_no_color_is_honoured(terminal, args, expected):
    code, shown = terminal(*args, NO_COLOR="1")
    assert code == expected
    # rich may still print bold; a colour is 3x, 4x or 9x
    assert not re.search(r"\x1b\[(?:\d+;)*[349]\d", shown)


def _left_on_screen(shown):
    """The lines that a person sees in the end: carriage returns, cursor moves and erased lines carried out."""
    lines, row, column = [""], 0, 0
    for control, character in re.findall(r"(\x1b\[[?\d;]*[A-Za-z]|\r|\n)|(.)", shown, re.DOTALL):
        if character:
            lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
            column += 1
        elif control == "\r":
            column = 0
        elif control == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif control == "\x1b[2K":
            lines[row] = ""
        elif control.endswith("A"):
            row -= int(control[2:-1] or 1)
    return [line for line in lines if line.strip()]


def test_the_path_has_a_line_to_itself(terminal, bundle):
    code, shown = terminal("run", "a red apple", "-m", bundle, "-o", "x.png", "--seed", "0")
    assert code == 0
    assert "a red apple: steps" in shown
    assert "ETA" in shown
    assert _left_on_screen(shown) == ["x.png"]


def test_every_picture_of_several_prompts_has_its_line(terminal, bundle, tmp_path):
    (tmp_path / "prompts.txt").write_text("a cat\na dog\n", encoding="utf-8")
    code, shown = terminal("run", "--prompts", "prompts.txt", "-m", bundle, "-o", "x.png", "--seed", "0")
    assert code == 0
    assert "a dog: 2 of 2, steps" in shown
    assert _left_on_screen(shown) == ["x-0.png", "x-1.png"]


def test_a_prompt_is_no_markup(terminal, bundle):
    code, shown = terminal("run", "a [/red] [bold]cat :cat:", "-m", bundle, "-o", "x.png", "--seed", "0", NO_COLOR="1")
    assert code == 0
    assert "a [/red] [bold]cat :cat:" in shown
    assert "Traceback" not in shown
