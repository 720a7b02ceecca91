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


def test_progress_is_shown_beside_the_path(terminal, bundle):
    code, shown = terminal("run", "a red apple", "-m", bundle, "-o", "x.png", "--seed", "0")
    assert code == 0
    assert "a red apple" in shown
    assert shown.count("x.png") == 1


def test_a_prompt_is_no_markup(terminal, bundle):
    code, shown = terminal("run", "a [/red] [bold]cat :cat:", "-m", bundle, "-o", "x.png", "--seed", "0", NO_COLOR="1")
    assert code == 0
    assert "a [/red] [bold]cat :cat:" in shown
    assert "Traceback" not in shown
