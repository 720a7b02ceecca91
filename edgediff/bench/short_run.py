"""Short pictures with time and memory noted as graphs are loaded, called and freed: what ``edgediff plan`` asks for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

from edgediff.api import load, open_bundle
from edgediff.bench.memory import memory_of, reset_peak
from edgediff.bench.timed_engine import CallLog, TimedEngine
from edgediff_runtimes.engines import get_engine
from edgediff_runtimes.placement import Placement, named_engines
from edgediff_runtimes.quality import Runner
from edgediff_runtimes.quality.measures import psnr_db

if TYPE_CHECKING:
    from edgediff_runtimes.pipeline import Pipeline


@final
@dataclass(frozen=True, slots=True)
class Lap:
    """A stretch of a process's life. All bytes are of private memory: what belongs to no file.

    Attributes:
        what: ``load`` of a graph, ``use`` until the next graph is loaded or this one is freed, ``free``, or ``rest``.
        role: The graph's role; the one that is loaded next, of ``rest``.
        begin: Bytes as it began.
        peak: The most bytes in it.
        end: Bytes as it ended.
    """

    what: str
    role: str
    begin: int
    peak: int
    end: int


@final
@dataclass(slots=True)
class Laps:
    """Laps, one after the other; none where the system does not tell the memory of a stretch (all but Linux).

    The kernel's high-water mark is of resident memory, which includes pages of mapped files. These stay to the end of a
    lap, so that the mark above what is resident then is private memory that was given back.
    """

    done: list[Lap] = field(default_factory=list)
    _begin: int | None = None

    def begin(self) -> None:
        """Begin the first lap."""
        memory = memory_of()
        self._begin = None if memory is None or not reset_peak() else memory.anonymous

    def end(self, what: str, role: str) -> None:
        """End a lap and begin the next one."""
        memory, begin = memory_of(), self._begin
        self.begin()
        if memory is not None and begin is not None:
            above = max(memory.peak - memory.resident, 0)
            self.done.append(Lap(what, role, begin, max(memory.anonymous + above, begin), memory.anonymous))


def short_runs(job: Mapping[str, Any]) -> dict[str, Any]:
    """Draw one picture for each of the job's works, in one pipeline.

    Returns:
        ``runs``: for each work times, calls, laps, and the distance of its picture from the first work's.
    """
    if not job["works"]:
        return _only_loaded(job)
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


def _only_loaded(job: Mapping[str, Any]) -> dict[str, Any]:
    """Load every graph that draws, one after the other: an engine then keeps what it compiled.

    Returns:
        ``loads_s``: seconds by role.
    """
    asked = {name: value for name, value in job["placement"].items() if name != "residency"}
    bundle = open_bundle(job["bundle"])
    runner = Runner(bundle, Placement(**{**asked, "engine": named_engines(asked["engine"])}))
    loads: dict[str, float] = {}
    for role in bundle.manifest.recipe.drawing:
        began = time.perf_counter()
        session = runner.load(role)
        loads[role] = time.perf_counter() - began
        session.close()
    return {"loads_s": loads}


def _run(pipeline: Pipeline, log: CallLog, prompt: str | None, options: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    laps = Laps()
    log.loads.clear()
    log.calls.clear()
    log.on_end = laps.end
    laps.begin()
    began = time.perf_counter()
    result = pipeline(prompt, **options)
    called_s = time.perf_counter() - began
    laps.end("rest", "")
    calls: dict[str, list[float]] = {}
    for role, seconds in log.calls:
        calls.setdefault(role, []).append(seconds)
    return {
        **asdict(result.timings),
        "called_s": called_s,
        "loads_s": dict(log.loads),
        "calls_s": calls,
        "laps": [asdict(lap) for lap in laps.done],
        "executions": {role: how.execution for role, how in result.computed.items()},
        "rescued": sum(how.rescued for how in result.computed.values()),
    }, np.asarray(result.images[0].convert("RGB"))
