"""The measuring process: ``python -m edgediff.bench.child`` with a job, one line of JSON, on stdin.

Each job has a process of its own, so that no phase finds memory, caches or threads that another left. It prints a line
``{"phase": name}`` as each phase begins, and at its end one line: ``{"result": ...}`` or ``{"error": ...}``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Any, final

from edgediff.bench.energy import joules_between, read_counters
from edgediff.bench.memory import disk_read_bytes, lifetime_peak, memory_of, reset_peak

if TYPE_CHECKING:
    from edgediff.bench.timed_engine import CallLog
    from edgediff_runtimes.bundle import Bundle
    from edgediff_runtimes.pipeline import Pipeline
    from edgediff_runtimes.results import Result

# A component is called at least so often, and on until so many seconds are over or it was called the second number.
_CALLS, _CALLS_S, _MOST_CALLS = 3, 0.3, 30


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


@final
class Phases:
    """Announces each phase and notes what it cost this process."""

    def __init__(self) -> None:
        self.done: dict[str, dict[str, Any]] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A phase of that name; what it cost is in ``done`` when it ends."""
        _say({"phase": name})
        separate = reset_peak()
        reads, energy, cpu = disk_read_bytes(), read_counters(), time.process_time()
        began = time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        cpu_s, joules = time.process_time() - cpu, joules_between(energy, read_counters())
        memory, reads_after = memory_of(), disk_read_bytes()
        self.done[name] = {
            "seconds": seconds,
            "cpu_s": cpu_s,
            "energy_j": joules,
            "peak_rss_bytes": memory.peak if memory is not None and separate else None,
            "end_rss_bytes": None if memory is None else memory.resident,
            "end_anonymous_bytes": None if memory is None else memory.anonymous,
            "disk_read_bytes": None if reads is None or reads_after is None else reads_after - reads,
        }


def picture(job: dict[str, Any], phases: Phases) -> dict[str, Any]:
    """From an empty process to the first picture, warm-up pictures, and one that is measured."""
    with phases.phase("import"):
        from edgediff.api import load  # noqa: PLC0415 - the import is a phase
        from edgediff.bench.timed_engine import CallLog, TimedEngine  # noqa: PLC0415 - as above
        from edgediff_runtimes.engines import get_engine  # noqa: PLC0415 - as above
        from edgediff_runtimes.quality.pictures import with_pictures  # noqa: PLC0415 - as above

        log, names = CallLog(), job["placement"]["engine"]
        timed = {name: TimedEngine(get_engine(name), log) for name in set(names.values())}
        placement = {**job["placement"], "engine": {role: timed[name] for role, name in names.items()}}
    with (
        _opened(
            phases,
            lambda: load(job["bundle"], **placement),
        ) as it,
    ):
        options = with_pictures(it.bundle.manifest.recipe, it.bundle.manifest.defaults, job["options"])
        for index in range(job["warmup"]):
            with phases.phase("first picture" if index == 0 else f"warm-up {index + 1}"):
                it(job["prompt"], **options)
        loads = list(log.loads)
        log.calls.clear()
        calls: list[int] = []  # how many there were until each step's end
        with phases.phase("measured picture"):
            result = it(job["prompt"], on_step=lambda _: calls.append(len(log.calls)), **options)
    networks = {role for role, duty in it.bundle.manifest.recipe.duties.items() if duty == "network"}
    return {
        **_timings(result, log, calls, networks),
        "loads_s": dict(loads or log.loads),
    }


@contextmanager
def _opened(phases: Phases, load: Callable[[], Pipeline]) -> Iterator[Pipeline]:
    with phases.phase("open"):
        pipeline = load()
    with pipeline:
        yield pipeline


def _timings(result: Result, log: CallLog, calls_until: list[int], networks: set[str]) -> dict[str, Any]:
    timings, settings = result.timings, result.settings
    calls: dict[str, list[float]] = {}
    for role, seconds in log.calls:
        calls.setdefault(role, []).append(seconds)
    # In a step only the network is called, once or more; what remains is the sampler, guidance and our own loop.
    before = [0, *calls_until[:-1]]
    network = [
        sum(s for role, s in log.calls[i:j] if role in networks) for i, j in zip(before, calls_until, strict=True)
    ]
    around = [step - inside for step, inside in zip(timings.steps_s, network, strict=True)]
    return {
        "text_s": timings.text_s,
        "steps_s": timings.steps_s,
        "decode_s": timings.decode_s,
        "total_s": timings.total_s,
        "engine_s": calls,
        "network_s": network,
        "overhead_step_s": median(around),
        "rescued": {role: how.rescued for role, how in result.computed.items()},
        "shares": {
            role: {name: asdict(share) for name, share in how.shares.items()} for role, how in result.computed.items()
        },
        "feeds": log.feeds,
        "work": {
            "width": settings.width,
            "height": settings.height,
            "steps": settings.steps,
            "batch": settings.batch,
            "guidance": settings.guidance,
        },
    }


def component(job: dict[str, Any], phases: Phases) -> dict[str, Any]:
    """One graph alone: loaded in an empty process, called with arrays of the picture's shapes, loaded once more."""
    with phases.phase("import"):
        import edgediff_runtimes.pipeline  # noqa: PLC0415 - the import is a phase
        from edgediff.api import open_bundle  # noqa: PLC0415 - as above
        from edgediff.bench.flops import example_feeds  # noqa: PLC0415 - as above
        from edgediff_runtimes.engines import get_engine  # noqa: PLC0415 - as above
        from edgediff_runtimes.fixed_graphs import load_graph  # noqa: PLC0415 - as above
        from edgediff_runtimes.placement import Placement  # noqa: PLC0415 - as above

        role, asked = job["role"], dict(job["placement"])
        engine, placement = get_engine(asked.pop("engine")[role]), Placement(**asked)
        device, options = placement.device_of(role), placement.options_of(role)
        graph = open_bundle(job["bundle"]).graph(role)
        feeds = example_feeds(job["feeds"])
    assert edgediff_runtimes.pipeline  # noqa: S101 - imported for its cost
    with phases.phase("cold load"):
        session = load_graph(engine, graph, device=device, options=options)
    with phases.phase("first call"):
        session.run(feeds)
    session.shares()  # who computed what is measured until it is asked for, which has its price
    times: list[float] = []
    with phases.phase("calls"):
        ends = time.perf_counter() + _CALLS_S
        while len(times) < _CALLS or (time.perf_counter() < ends and len(times) < _MOST_CALLS):
            began = time.perf_counter()
            session.run(feeds)
            times.append(time.perf_counter() - began)
    session.close()
    with phases.phase("warm load"):
        load_graph(engine, graph, device=device, options=options).close()
    return {"calls_s": times, "execution": session.execution}


def flops(job: dict[str, Any], phases: Phases) -> dict[str, Any]:
    """Count the operations of one call of each graph, and its operators where ONNX Runtime computes it."""
    from edgediff.api import open_bundle  # noqa: PLC0415 - each job imports what it needs
    from edgediff.bench.flops import count_in, example_feeds, exported_nodes  # noqa: PLC0415 - as above
    from edgediff.bench.operators import count_operators  # noqa: PLC0415 - as above
    from edgediff_runtimes.engines import EngineOptions  # noqa: PLC0415 - as above

    bundle: Bundle = open_bundle(job["bundle"])
    operations: dict[str, Any] = dict.fromkeys(job["feeds"])
    operators: dict[str, Any] = dict.fromkeys(job["feeds"])
    for role, described in job["feeds"].items():
        graph, feeds = bundle.graph(role), example_feeds(described)
        if graph.format != "onnx":
            continue
        with phases.phase(role):
            nodes = exported_nodes(graph.path, feeds)
            operations[role] = count_in(nodes)
            if job["placement"]["engine"][role] == "onnxruntime":
                options = EngineOptions(threads=job["placement"]["threads"])
                operators[role] = count_operators(graph, feeds, nodes, options=options)
    return {"flops": operations, "operators": operators}


def peak(job: dict[str, Any], phases: Phases) -> dict[str, Any]:
    """Measure the machine's matrix products."""
    from edgediff.bench.peak import matmul_peak  # noqa: PLC0415 - each job imports what it needs

    with phases.phase("matrix products"):
        return {dtype: matmul_peak(dtype, threads=job["placement"]["threads"]) for dtype in job["dtypes"]}


def short(job: dict[str, Any], phases: Phases) -> dict[str, Any]:
    """Short pictures for a plan, see ``short_run``."""
    with phases.phase("import"):
        from edgediff.bench.short_run import short_runs  # noqa: PLC0415 - the import is a phase
    with phases.phase("pictures"):
        return short_runs(job)


def sustained(job: dict[str, Any], phases: Phases) -> dict[str, Any]:
    """Pictures for minutes, see ``sustaining``."""
    with phases.phase("import"):
        from edgediff.bench.sustaining import sustain  # noqa: PLC0415 - the import is a phase
    with phases.phase("pictures"):
        return sustain(job)


JOBS: dict[str, Callable[[dict[str, Any], Phases], dict[str, Any]]] = {
    "picture": picture,
    "component": component,
    "flops": flops,
    "peak": peak,
    "short": short,
    "sustained": sustained,
}


def _end_with_parent() -> None:
    """Our stdin closes when the process that asked is gone, however it went: nobody wants the answer any more."""
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Do the job on stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and decides
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # likewise
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    phases = Phases()
    try:
        result = JOBS[job["kind"]](job, phases)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent tells it
        sentence = getattr(error, "sentence", None)
        told = {"sentence": sentence or f"{type(error).__name__}: {error}", "hint": getattr(error, "hint", None)}
        _say({"error": told})
        os._exit(1)
    _say({"result": result, "phases": phases.done, "lifetime_peak_bytes": lifetime_peak()})
    # Not the interpreter's own end: it would wait for the thread that reads stdin.
    os._exit(0)


if __name__ == "__main__":
    main()
