"""One guided call of a network in ONNX Runtime, of several bundles in turns: processor seconds and private memory.

    python benchmarks/graph_calls.py NAME NAME=BUNDLE ... [--size 512x512] [--runs 2] [--rounds 2] [--threads 1]

Each round loads every bundle's network in a process of its own, as it is by default and with ``low_memory``, computes
one call to warm up and then ``--runs`` that count. Processor seconds of one thread hold on a loaded machine too. The
first bundle is what the others' outputs and seconds are compared with. Results: ``results/graph_calls-NAME.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import machine, run_child, store, summary

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import EngineOptions, Graph, Session, get_engine

MODES = ("default", "low_memory")
_GUIDED = 2  # samples
_TIME = 500.0


def child(given: argparse.Namespace) -> None:
    """Load and call one network; prints its seconds as JSON and keeps the output."""
    bundle = Bundle.open(given.name)
    component = bundle.manifest.components[given.role]
    path = bundle.path / component.files[0].path
    graph = Graph(given.role, path, component.format, precision=component.precision)
    options = EngineOptions(threads=given.threads, low_memory=given.child == "low_memory")
    began = time.perf_counter()
    with get_engine("onnxruntime").load(graph, device="cpu", options=options) as session:
        load_s = time.perf_counter() - began
        feeds = _feeds(session, given)
        wall, processor = [], []
        for _ in range(given.runs + 1):
            began, cpu = time.perf_counter(), time.process_time()
            (output, *_) = session.run(feeds).values()
            wall.append(time.perf_counter() - began)
            processor.append(time.process_time() - cpu)
    np.save(given.output, output)
    print(json.dumps({"load_s": load_s, "run_s": wall[1:], "cpu_s": processor[1:]}))


def _feeds(session: Session, given: argparse.Namespace) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    width, height = (int(side) // 8 for side in given.size.split("x"))
    lengths = {"batch": _GUIDED, "height": height, "width": width, "sequence": 77}
    feeds = {}
    for name, spec in session.inputs.items():
        shape = [lengths[axis] if isinstance(axis, str) else axis for axis in spec.shape]
        feeds[name] = generator.standard_normal(shape, dtype=np.float32)
    return feeds | {"timestep": np.full(session.inputs["timestep"].shape, _TIME, np.float32)}


def measured(given: argparse.Namespace, bundles: dict[str, str], scratch: Path) -> dict[str, Any]:
    """Every bundle in both modes, in turns."""
    turns = [(name, mode) for mode in given.modes for name in bundles]
    runs: dict[tuple[str, str], list[Any]] = {turn: [] for turn in turns}
    words = ["--role", given.role, "--size", given.size, "--runs", str(given.runs), "--threads", str(given.threads)]
    for number in range(given.rounds):
        for name, mode in turns if number % 2 == 0 else reversed(turns):
            output = str(scratch / f"{name}-{mode}.npy")
            run = run_child([__file__, bundles[name], *words, "--child", mode, "--output", output])
            runs[name, mode].append(run)
            print(name, mode, run.output, f"private {run.peak_anonymous / 1e9:.2f} GB", flush=True)
    first = turns[0]
    basis = np.load(scratch / f"{first[0]}-{first[1]}.npy")
    rows: dict[str, Any] = {}
    for (name, mode), children in runs.items():
        cpu = [seconds for run in children for seconds in run.output["cpu_s"]]
        difference = np.load(scratch / f"{name}-{mode}.npy") - basis
        rows[f"{name}, {mode}"] = {
            "cpu_s": summary(cpu),
            "run_s": summary([seconds for run in children for seconds in run.output["run_s"]]),
            "load_s": summary([run.output["load_s"] for run in children]),
            "peak_anonymous_bytes": max(run.peak_anonymous for run in children),
            "peak_rss_bytes": max(run.peak_rss for run in children),
            "largest_difference": float(np.abs(difference).max()),
        }
    least = rows[", ".join(first)]["cpu_s"]["median"]
    for row in rows.values():
        row["cpu_ratio"] = row["cpu_s"]["median"] / least
    return {"largest_value": float(np.abs(basis).max()), "rows": rows}


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the result")
    parser.add_argument("bundles", nargs="*")
    parser.add_argument("--role", default="unet")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--child", choices=MODES)
    parser.add_argument("--output")
    given = parser.parse_args()
    if given.child:
        child(given)
        return
    bundles = dict(each.split("=", 1) for each in given.bundles)
    about = {key: getattr(given, key) for key in ("role", "size", "runs", "rounds", "threads")}
    with tempfile.TemporaryDirectory() as scratch:
        result = measured(given, bundles, Path(scratch))
    print(json.dumps(result, indent=2))
    print(store(f"graph_calls-{given.name}", {"machine": machine(), **about, **result}))


if __name__ == "__main__":
    main()
