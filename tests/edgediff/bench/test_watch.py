"""A watched process: its memory is seen, its phases are told, and it does not outlive the one that asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from edgediff.bench import memory
from edgediff.bench.watch import watch

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memory of other processes is read from /proc")
SIZE = 60_000_000


def _python(code, **options):
    return watch([sys.executable, "-c", code], **options)


@LINUX
def test_memory_that_was_taken_and_given_back_is_in_the_peak_and_not_at_the_end():
    watched = _python(f"import time; a = b'x' * {SIZE}; time.sleep(0.15); del a; time.sleep(0.15); print('done')")
    assert watched.lines == ["done"]
    assert watched.peak > SIZE
    assert max(sample.anonymous for _, sample in watched.samples) > SIZE
    assert watched.samples[-1][1].resident < watched.peak - SIZE / 2
    assert all(0 <= at <= watched.seconds for at, _ in watched.samples)


@LINUX
def test_a_peak_that_was_reset_forgets_what_was_before():
    code = f"""
from edgediff.bench.memory import memory_of, reset_peak
a = b"x" * {SIZE}
before = memory_of().peak
del a
assert reset_peak()
print(before - memory_of().peak)
"""
    assert int(_python(code).lines[0]) > SIZE / 2


def test_phases_are_told_apart_from_other_lines():
    watched = _python("""print('{"phase": "one"}'); print("text"); print('{"phase": "two"}')""")
    assert [name for _, name in watched.marks] == ["one", "two"]
    assert watched.lines == ["text"]


def test_the_job_is_on_stdin_which_stays_open():
    code = "import sys, select; print(sys.stdin.readline().strip()); print(select.select([sys.stdin], [], [], 0.1)[0])"
    assert _python(code, job="work").lines == ["work", "[]"]


def test_how_it_ended_is_told():
    assert _python("raise SystemExit(3)").returncode == 3
    if sys.platform != "win32":
        assert _python("import os; os.kill(os.getpid(), 9)").returncode == -9


def test_an_interrupted_watch_kills_the_process(monkeypatch, tmp_path):
    """The first sleep between two samples is interrupted; the process would go on for a minute."""
    pid = tmp_path / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(60)"
    sleep = time.sleep

    def interrupted(seconds):
        while not pid.exists() or not pid.read_text():
            sleep(seconds)
        raise KeyboardInterrupt

    monkeypatch.setattr("edgediff.bench.watch.time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _python(code)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_measuring_process_ends_when_nobody_waits_for_it():
    child = subprocess.Popen(
        [sys.executable, "-m", "edgediff.bench.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    work = {"kind": "peak", "dtypes": ["float32"] * 100, "placement": {"threads": 1}}  # for minutes
    child.stdin.write(json.dumps(work) + "\n")
    child.stdin.flush()
    assert "matrix products" in child.stdout.readline()
    child.stdin.close()
    assert child.wait(timeout=60) == 1
    assert child.stdout.read() == ""
    child.stdout.close()


def test_where_nothing_is_told_nothing_is_made_up(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_PROC", tmp_path)
    assert memory.memory_of() is None
    assert memory.disk_read_bytes() is None
    assert not memory.reset_peak()


def test_the_measuring_process_imports_nothing_that_it_measures():
    code = "import edgediff.bench.child, sys; print(sorted({n.partition('.')[0] for n in sys.modules}))"
    (line,) = _python(code).lines
    assert "'edgediff'" in line
    assert not any(f"'{name}'" in line for name in ("numpy", "onnxruntime", "PIL", "tokenizers", "edgediff_runtimes"))
