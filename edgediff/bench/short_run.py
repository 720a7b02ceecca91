"""Short pictures with time and memory noted as graphs are loaded, called and freed: what ``edgediff plan`` asks for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

import numpy as np

from edgediff.api import load
from edgediff.bench.memory import memory_of
from edgediff.bench.timed_engine import CallLog, TimedEngine
from edgediff_runtimes.engines import get_engine
from edgediff_runtimes.quality.measures import psnr_db

if TYPE_CHECKING:
    from edgediff_runtimes.pipeline import Pipeline


_SAMPLE_S = 0.005


@final
@dataclass(frozen=True, slots=True)
class Lap:
    """A stretch of a process's life. All bytes are of private memory: what belongs to no file.

    Attributes:
        what: ``load`` of a graph, ``use`` until it is freed or another is loaded, ``free``; ``rest`` where none is
            loaded.
        role: The graph's role; empty of ``rest``.
        begin: Bytes as it began.
        peak: The most bytes in it, by samples.
        end: Bytes as it ended.
    """

    what: str
    role: str
    begin: int
    peak: int
    end: int


@final
class Laps:
    """Laps, one after the other, in a block; none where the system does not tell a process's private memory.

    Private memory is sampled by a thread. The kernel's high-water mark misses nothing between two samples, but is of
    resident memory, pages of mapped weights included.
    """

    def __init__(self) -> None:
        self.done: list[Lap] = []
        self._begin: int | None = None
        self._most = 0
        self._in_use = ""
        self._lock = threading.Lock()  # a sample belongs to the lap in which it is taken
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="edgediff-laps", daemon=True)

    def __enter__(self) -> Laps:
        self._begin = _private()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def end(self, what: str, role: str = "") -> None:
        """End a lap and begin the next one; see ``CallLog.on_end``."""
        if what == "rest":
            what, role = ("use", self._in_use) if self._in_use else ("rest", "")
        else:
            self._in_use = "" if what == "free" else role
        with self._lock:
            begin, now = self._begin, _private()
            if begin is not None and now is not None:
                self.done.append(Lap(what, role, begin, max(begin, self._most, now), now))
            self._begin, self._most = now, 0

    def sample(self) -> None:
        """Look at the memory once; a thread does so as long as the block runs."""
        with self._lock:
            self._most = max(self._most, _private() or 0)

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            self.sample()


def _private() -> int | None:
    memory = memory_of()
    return None if memory is None else memory.anonymous


def short_runs(job: Mapping[str, Any]) -> dict[str, Any]:
    """Draw one picture for each of the job's works, in one pipeline.

    Returns:
        ``runs``: for each work times, calls, laps, and the distance of its picture from the first work's.
    """
    log, names = CallLog(), job["placement"]["engine"]
    timed = {name: TimedEngine(get_engine(name), log) for name in set(names.values())}
    placement = {**job["placement"], "engine": {role: timed[name] for role, name in names.items()}}
    pictures: list[Any] = []
    runs = []
    with load(job["bundle"], **placement) as pipeline:
        for work in job["works"]:
            run, picture = _run(pipeline, log, job["prompt"], {**job["options"], **work})
            pictures.append(picture)
            runs.append({**run, "psnr_db": psnr_db(picture, pictures[0]) if len(pictures) > 1 else None})
    return {"runs": runs}


def _run(pipeline: Pipeline, log: CallLog, prompt: str | None, options: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    log.loads.clear()
    log.calls.clear()
    with Laps() as laps:
        log.on_end = laps.end
        result = pipeline(prompt, **options)
        laps.end("rest")
    calls: dict[str, list[float]] = {}
    for role, seconds in log.calls:
        calls.setdefault(role, []).append(seconds)
    return {
        **asdict(result.timings),
        "loads_s": dict(log.loads),
        "calls_s": calls,
        "laps": [asdict(lap) for lap in laps.done],
        "executions": {role: how.execution for role, how in result.computed.items()},
    }, np.asarray(result.images[0].convert("RGB"))
