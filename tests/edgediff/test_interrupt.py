"""Ctrl-C, SIGTERM and SIGHUP in the middle of the work: exit code 130, no half file, no traceback."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest

PATIENCE_S = 60  # the slow U-Net needs minutes for three steps
# The command, with a word on stderr whenever the U-Net begins.
DRIVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has jobs in the background ignore it
if sys.platform != "win32":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and `nohup` this one
from edgediff.cli import main
from edgediff_runtimes.engines.onnxruntime_session import OnnxRuntimeSession
run = OnnxRuntimeSession.run
def telling(session, feeds, *, cancel=None):
    if session._role == "unet":
        print("unet begins", file=sys.stderr, flush=True)
    return run(session, feeds, cancel=cancel)
OnnxRuntimeSession.run = telling
main()
"""


@pytest.fixture
def slow_bundle(bundle_copy, golden):
    """The bundle with a U-Net that takes its time."""
    data = (golden / "slow_unet.onnx").read_bytes()
    (bundle_copy / "unet" / "model.onnx").write_bytes(data)
    path = bundle_copy / "edgediff.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    entry = {"path": "unet/model.onnx", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    values["components"]["unet"]["files"] = [entry]
    path.write_text(json.dumps(values), encoding="utf-8")
    return bundle_copy


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
@pytest.mark.parametrize(
    ("sent", "more"),
    [
        (signal.SIGINT, []),
        (signal.SIGINT, ["--images", "2", "--low-memory"]),
        (signal.SIGINT, ["--json"]),
        (signal.SIGINT, ["--over", "seed=1,2"]),
        (signal.SIGTERM, []),
        (getattr(signal, "SIGHUP", None), []),
    ],
    ids=["plain", "sparing", "json", "grid", "sigterm", "sighup"],
)
def test_an_interrupt_ends_the_step(slow_bundle, tmp_path, sent, more):
    (tmp_path / "out").mkdir()
    name = "grid" if "--over" in more else "run"
    args = [name, "a cat", "-m", str(slow_bundle), "-o", str(tmp_path / "out" / "x.png"), *more]
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        try:
            assert process.stderr.readline() == "unet begins\n"
            process.send_signal(sent)
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert err.split() == ["interrupted"]
    assert (process.returncode, out) == (130, "")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such terminals")
def test_a_terminal_that_is_closed_ends_the_step(slow_bundle, tmp_path):
    """It hangs up, and cannot be written any more: neither the bar nor a last word may fail."""
    (tmp_path / "out").mkdir()
    ours, theirs = os.openpty()
    driver = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n" + DRIVER
    args = ["run", "a cat", "-m", str(slow_bundle), "-o", str(tmp_path / "out" / "x.png")]
    with subprocess.Popen(
        [sys.executable, "-c", driver, *args],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        os.close(theirs)
        shown = b""
        while b"unet begins" not in shown:
            shown += os.read(ours, 1 << 16)
        os.close(ours)
        try:
            assert process.wait(timeout=PATIENCE_S) == 130
        finally:
            process.kill()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
def test_who_is_to_go_on_when_the_terminal_is_closed_does(tmp_path):
    """As under `nohup`, which has the signal ignored."""
    code = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); from edgediff import cli;"
        "cli.group.main = lambda **_: os.kill(os.getpid(), signal.SIGHUP); cli.main()"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_a_second_interrupt_at_the_end_shows_no_traceback():
    """As of somebody who presses Ctrl-C twice: nothing is left to clear away by then."""
    driver = """
import atexit, os, signal
from edgediff import cli
def interrupted(**_):
    raise KeyboardInterrupt
cli.group.main = interrupted
atexit.register(os.kill, os.getpid(), signal.SIGINT)
cli.main()
"""
    ended = subprocess.run([sys.executable, "-c", driver], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "interrupted\n")
