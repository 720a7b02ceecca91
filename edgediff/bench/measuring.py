"""A measurement from its first process to its report."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from edgediff.bench.busy import ProcessorTime, others_share, processor_time
from edgediff.bench.machine import describe_machine
from edgediff.bench.reporting import FORMAT, FORMAT_VERSION, Report, finish
from edgediff.bench.request import SEED, Case, Request, resolve
from edgediff.bench.watch import SAMPLE_S, Watched, watch
from edgediff_runtimes.compiled_cache import FOLDER_VARIABLE, CompiledCache
from edgediff_runtimes.errors import EngineError
from edgediff_runtimes.plain import readable_seconds

_MOST_SAMPLES = 400
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@final
@dataclass(frozen=True, slots=True)
class Progress:
    """How far a measurement is: processes done, how many there are as far as is known, what runs now."""

    done: int
    total: int
    now: str


def bench(
    request: Request,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_report: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Measure, in turns and in fresh processes; may be interrupted at any time.

    Args:
        request: What to measure; it is checked before the first process starts.
        on_progress: Told before every process.
        on_report: Given the report so far, marked partial, after every process, and the whole one at the end. What it
            was given last is all there is when the measurement is interrupted or fails.

    Returns:
        The report; ``docs/bench.md`` says what is in it.

    Raises:
        EdgediffError: The request cannot be met, or a measuring process failed.
    """
    session = _Session(request, resolve(request), on_progress, on_report)
    session.run()
    return session.report


@final
@dataclass(slots=True)
class _Session:
    request: Request
    cases: tuple[Case, ...]
    on_progress: Callable[[Progress], None]
    on_report: Callable[[Report], None]
    report: Report = field(default_factory=dict)
    done: int = 0
    processors: ProcessorTime | None = field(default_factory=processor_time)

    def run(self) -> None:
        began = time.perf_counter()
        self.report = _empty_report(self.request, self.cases)
        turns = [(case, work) for work in range(len(self.cases[0].works)) for case in range(len(self.cases))]
        for _ in range(self.request.repeat):
            for case, work in turns:
                self._round(case, work)
                self._told(began)
            self.report["protocol"]["rounds_done"] += 1
        for case, work in turns:
            self._count(case, work)
        self._peaks()
        if self.request.sustain_s is not None:
            for case, work in turns:
                self._sustain(case, work, self.request.sustain_s)
                self._told(began)
        self.report["partial"] = False
        self._told(began)

    def _told(self, began: float) -> None:
        self.report["seconds"] = time.perf_counter() - began
        self.report["machine"]["others_share"] = others_share(self.processors, processor_time())
        finish(self.report)
        self.on_report(self.report)

    def _round(self, case: int, work: int) -> None:
        """One picture in one process, then each of its graphs in a process of its own."""
        entry = self.report["cases"][case]["works"][work]
        options = dict(self.cases[case].works[work])
        job = {"kind": "picture", "prompt": self.cases[case].prompt, "options": options, "warmup": self.request.warmup}
        answer, watched = self._measure(case, job, f"{self.report['cases'][case]['name']}: picture")
        picture = {**answer["result"], "phases": answer["phases"], "lifetime_peak_bytes": answer["lifetime_peak_bytes"]}
        entry["feeds"], entry["work"] = picture.pop("feeds"), picture.pop("work")
        # The phase after the cold start's begins as the first picture is done; without warm-up the process ends then.
        cold = [at for at, name in watched.marks if name not in ("import", "open", "first picture")]
        picture["cold_start_s"] = cold[0] if self.request.warmup else watched.seconds
        picture["peak_rss_bytes"] = watched.peak or answer["lifetime_peak_bytes"]
        picture["components"] = {}
        entry["rounds"].append(picture)
        if entry["memory"] is None:
            entry["memory"] = _timeline(watched)
        for role, feeds in entry["feeds"].items():
            job = {"kind": "component", "role": role, "feeds": feeds}
            answer, watched = self._measure(case, job, f"{self.report['cases'][case]['name']}: {role}")
            picture["components"][role] = {**answer["result"], "phases": answer["phases"]}

    def _count(self, case: int, work: int) -> None:
        entry = self.report["cases"][case]["works"][work]
        answer, _ = self._measure(case, {"kind": "flops", "feeds": entry["feeds"]}, "counting operations")
        entry.update(answer["result"])

    def _sustain(self, case: int, work: int, seconds: float) -> None:
        place = self.cases[case]
        job = {"kind": "sustained", "prompt": place.prompt, "options": dict(place.works[work]), "seconds": seconds}
        answer, _ = self._measure(
            case, job, f"{self.report['cases'][case]['name']}: {readable_seconds(seconds)} on end"
        )
        self.report["cases"][case]["works"][work]["sustained"] = answer["result"]["pictures"]

    def _peaks(self) -> None:
        counts = [
            count
            for case in self.report["cases"]
            for work in case["works"]
            for count in work["flops"].values()
            if count
        ]
        job = {"kind": "peak", "dtypes": sorted({count["dtype"] for count in counts})}
        answer, _ = self._measure(0, job, "matrix products")
        self.report["matmul_peak_gflops"] = answer["result"]

    def _measure(self, case: int, job: dict[str, Any], what: str) -> tuple[dict[str, Any], Watched]:
        per_turn = 1 + len(self.report["cases"][0]["works"][0]["feeds"] or self.cases[0].bundle.manifest.recipe.drawing)
        turns = len(self.cases) * len(self.cases[0].works)
        on_end = 0 if self.request.sustain_s is None else turns
        self.on_progress(Progress(self.done, turns * (per_turn * self.request.repeat + 1) + 1 + on_end, what))
        place = self.cases[case]
        common = {"bundle": str(place.bundle.path), "placement": place.placement(threads=self.request.threads)}
        _forget_files(place)
        answered = run_job({**common, **job}, what)
        self.done += 1
        return answered


def run_job(job: dict[str, Any], what: str, *, compiled: Path | None = None) -> tuple[dict[str, Any], Watched]:
    """Have a job done in a process of its own, which finds no graph compiled before and leaves none behind.

    Args:
        job: See ``edgediff.bench.child``; the placement's ``threads`` also limit NumPy's library there.
        what: What it is, for the sentence of an error.
        compiled: A folder for the graphs that it compiles, which may have those of an earlier job; None: as above.

    Returns:
        The process's last line, and what was seen from outside.

    Raises:
        EngineError: The process failed or was killed.
    """
    with nullcontext(compiled) if compiled is not None else CompiledCache.of_user().scratch() as folder:
        return _run_job(job, what, {**os.environ, **({} if folder is None else {FOLDER_VARIABLE: str(folder)})})


def _run_job(job: dict[str, Any], what: str, environment: dict[str, str]) -> tuple[dict[str, Any], Watched]:
    threads = job["placement"]["threads"]
    if threads is not None:
        environment |= dict.fromkeys(_THREAD_VARIABLES, str(threads))
    command = [sys.executable, "-m", "edgediff.bench.child"]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as stderr:
        watched = watch(command, job=json.dumps(job), stderr=stderr, environment=environment)
        stderr.seek(0)
        complaints = stderr.read().strip().splitlines()
    last: dict[str, Any] = json.loads(watched.lines[-1]) if watched.lines else {}
    if "error" in last:
        raise EngineError(last["error"]["sentence"], hint=last["error"]["hint"])
    if watched.returncode or "result" not in last:
        reason = complaints[-1] if complaints else f"exit code {watched.returncode}"
        killed = f"signal {-watched.returncode}" if watched.returncode < 0 else reason
        hint = "signal 9 is often the system's, when memory runs out" if watched.returncode == -9 else None  # noqa: PLR2004 - SIGKILL, which Windows' `signal` lacks
        raise EngineError(f"the measuring process of {what} ended without a result ({killed})", hint=hint)
    return last, watched


def _forget_files(case: Case) -> None:
    """Ask the system to drop the bundle's files from its page cache, so that a cold load reads them from storage.

    It is a request: what storage in fact delivered is in ``disk_read_bytes``. Only POSIX systems can be asked.
    """
    if sys.platform != "linux":
        return
    for entry in case.bundle.files():
        descriptor = os.open(case.bundle.locate(entry.path), os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _timeline(watched: Watched) -> dict[str, Any]:
    """Memory over the time of one process, thinned to what a plot can show; the largest sample stays."""
    samples = watched.samples
    largest = max(range(len(samples)), key=lambda index: samples[index][1].resident, default=0)
    stride = -(-len(samples) // _MOST_SAMPLES)
    kept = [it for index, it in enumerate(samples) if index % stride == 0 or index in (largest, len(samples) - 1)]
    return {
        "phases": [[round(at, 3), name] for at, name in watched.marks],
        "samples": [[round(at, 3), memory.resident, memory.anonymous] for at, memory in kept],
        "seconds": watched.seconds,
    }


def _empty_report(request: Request, cases: tuple[Case, ...]) -> Report:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "partial": True,
        "seconds": 0.0,
        "machine": describe_machine(),
        "protocol": {
            "repeat": request.repeat,
            "rounds_done": 0,
            "warmup": request.warmup,
            "threads": request.threads,
            "prompt": next((case.prompt for case in cases if case.prompt is not None), None),
            "seed": SEED,
            "sample_s": SAMPLE_S,
            "page_cache": "asked to drop the bundle's files before every process"
            if sys.platform == "linux"
            else "not controlled",
        },
        "matmul_peak_gflops": {},
        "cases": [{**case.describe(), "works": [_empty_work() for _ in case.works]} for case in cases],
        "ratios": [],
    }


def _empty_work() -> dict[str, Any]:
    facts: dict[str, Any] = {"work": None, "feeds": None, "rounds": [], "memory": None, "flops": {}, "operators": {}}
    return {**facts, "summary": {}, "components": {}, "sustained": []}
