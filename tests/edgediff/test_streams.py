"""stdout that lacks characters, that is full, that nobody reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-c", "from edgediff.cli import main; main()")
FULL = Path("/dev/full")


def _run(*args, cwd, **options):
    return subprocess.run([*COMMAND, *map(str, args)], cwd=cwd, check=False, stderr=subprocess.PIPE, **options)


def test_a_name_that_the_encoding_lacks(bundle, tmp_path):
    """The picture is there, its name is told in escapes, and nothing has failed."""
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    args = ("run", "a cat", "-m", bundle, "--steps", "1", "-o", "café 猫.png")
    done = _run(*args, cwd=tmp_path, stdout=subprocess.PIPE, env=environment)
    assert (done.returncode, done.stdout.splitlines()) == (0, [b"caf\xe9 \\u732b.png"])
    assert [path.name for path in tmp_path.iterdir()] == ["café 猫.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are Unicode")
def test_a_name_that_is_no_unicode_comes_out_as_it_is(bundle, tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    args = ("run", "a cat", "-m", bundle, "--steps", "1", "-o", os.fsdecode(b"caf\xe9.png"))
    done = _run(*args, cwd=tmp_path, stdout=subprocess.PIPE, env=environment)
    assert (done.returncode, done.stdout.splitlines()) == (0, [b"caf\xe9.png"])


@pytest.mark.parametrize(
    "args",
    [("samplers",), ("devices",), ("--help",), ("cache", "--json"), ("inspect", "{bundle}")],
    ids=lambda args: args[0],
)
def test_tables_in_an_encoding_without_their_lines(bundle, tmp_path, args):
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = _run(*(arg.format(bundle=bundle) for arg in args), cwd=tmp_path, stdout=subprocess.PIPE, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("cp1252")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no such device")
@pytest.mark.parametrize(
    "args",
    [("samplers",), ("--help",), ("--version",), ("inspect", "{bundle}", "--json"), ("run", "a cat", "-o", "-")],
    ids=lambda args: args[0],
)
def test_a_full_disk_behind_stdout_is_one_sentence(bundle, tmp_path, args):
    args = [arg.format(bundle=bundle) for arg in args] + (
        ["-m", bundle, "--steps", "1", "--seed", "1"] if args[0] == "run" else []
    )
    with FULL.open("wb") as full:
        done = _run(*args, cwd=tmp_path, stdout=full, encoding="utf-8")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: the output cannot be written: No space left on device"]


@pytest.mark.skipif(not FULL.exists(), reason="this system has no such device")
def test_a_full_disk_behind_stderr_leaves_the_exit_code(tmp_path):
    with FULL.open("wb") as full:
        done = subprocess.run([*COMMAND, "inspect", "nowhere"], cwd=tmp_path, check=False, stderr=full)
    assert done.returncode == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows tells no writer that its reader is gone")
def test_a_reader_that_has_gone_is_no_error_to_speak_of(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = _run("samplers", cwd=tmp_path, stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
