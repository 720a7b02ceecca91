"""A process run to its end with its memory watched from outside."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, final

from edgediff.bench.memory import Memory, memory_of

SAMPLE_S = 0.02


@final
@dataclass(frozen=True, slots=True)
class Watched:
    """What a process printed, and what its memory was.

    Attributes:
        lines: Its stdout.
        marks: ``(seconds since its start, name)`` of every line ``{"phase": name}`` on its stdout.
        samples: ``(seconds since its start, memory)``, one every 20 ms; empty where the system does not tell.
        peak: Largest resident bytes: the kernel's high-water mark, which misses nothing between two samples.
        seconds: Wall time from start to end.
        returncode: Negative: the signal that ended it.
    """

    lines: list[str]
    marks: list[tuple[float, str]]
    samples: list[tuple[float, Memory]]
    peak: int | None
    seconds: float
    returncode: int


def watch(
    command: Sequence[str],
    *,
    job: str | None = None,
    stderr: IO[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Watched:
    """Run a command and watch it; when this process is interrupted, the command is killed.

    Args:
        command: Program and arguments.
        job: One line for its stdin, which then stays open as long as this process lives; None leaves stdin alone.
        stderr: Where its stderr goes; None: where ours goes.
        environment: All of its environment; None: ours.
    """
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - the callers' own programs
        command,
        stdin=None if job is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment,
        text=True,
        encoding="utf-8",
    )
    lines: list[str] = []
    marks: list[tuple[float, str]] = []
    samples: list[tuple[float, Memory]] = []
    reader = threading.Thread(target=_read, args=(process.stdout, lines, marks, began), daemon=True)
    reader.start()
    try:
        if process.stdin is not None and job is not None:
            process.stdin.write(job + "\n")
            process.stdin.flush()
        while process.poll() is None:
            if (memory := memory_of(process.pid)) is not None:
                samples.append((time.perf_counter() - began, memory))
            time.sleep(SAMPLE_S)
        seconds = time.perf_counter() - began
    finally:
        process.kill()  # does nothing to one that has ended
        process.wait()
        reader.join()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
    peak = max((memory.peak for _, memory in samples), default=None)
    return Watched(lines, marks, samples, peak, seconds, process.returncode)


def _read(stdout: IO[str], lines: list[str], marks: list[tuple[float, str]], began: float) -> None:
    for line in stdout:
        if line.startswith('{"phase"'):
            marks.append((time.perf_counter() - began, json.loads(line)["phase"]))
        else:
            lines.append(line.rstrip("\n"))
