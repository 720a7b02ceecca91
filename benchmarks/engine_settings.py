"""Which settings of ONNX Runtime are worth having on a CPU: seconds of one guided U-Net call against peak memory.

    python benchmarks/engine_settings.py BUNDLE [--latent 64] [--runs 5]

Every setting runs in a process of its own; the order is repeated ``--rounds`` times so that a slow moment of the
machine does not fall on one setting alone. Results: ``results/engine_settings-NAME.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from harness import machine, run_child, store, summary

# name -> (SessionOptions fields, session config entries, RunOptions config entries)
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, str]]] = {
    "library defaults": ({}, {}, {}),
    "one thread": ({"intra_op_num_threads": 1}, {}, {}),
    "no spinning": ({}, {"session.intra_op.allow_spinning": "0"}, {}),
    "no memory pattern": ({"enable_mem_pattern": False}, {}, {}),
    "no arena": ({"enable_cpu_mem_arena": False}, {}, {}),
    "no arena, no pattern": ({"enable_cpu_mem_arena": False, "enable_mem_pattern": False}, {}, {}),
    "no prepacking": ({}, {"session.disable_prepacking": "1"}, {}),
    "no arena, no pattern, no prepacking": (
        {"enable_cpu_mem_arena": False, "enable_mem_pattern": False},
        {"session.disable_prepacking": "1"},
        {},
    ),
    "basic optimisation": ({"graph_optimization_level": "ORT_ENABLE_BASIC"}, {}, {}),
    "extended optimisation": ({"graph_optimization_level": "ORT_ENABLE_EXTENDED"}, {}, {}),
    "arena shrinks after a run": ({}, {}, {"memory.enable_memory_arena_shrinkage": "cpu:0"}),
}


def child(bundle: str, latent: int, runs: int, name: str) -> None:
    """Time one setting; prints its result as JSON."""
    import numpy as np  # noqa: PLC0415 - only the child pays for it

    from edgediff_runtimes.engines.onnxruntime_library import ort  # noqa: PLC0415 - as above

    fields, session_entries, run_entries = SETTINGS[name]
    options = ort.SessionOptions()
    options.log_severity_level = 3
    for field, value in fields.items():
        setattr(options, field, getattr(ort.GraphOptimizationLevel, value) if isinstance(value, str) else value)
    for key, value in session_entries.items():
        options.add_session_config_entry(key, value)
    run_options = ort.RunOptions()
    for key, value in run_entries.items():
        run_options.add_run_config_entry(key, value)
    began = time.perf_counter()
    session = ort.InferenceSession(f"{bundle}/unet/model.onnx", options, providers=["CPUExecutionProvider"])
    load_s = time.perf_counter() - began
    generator = np.random.default_rng(0)
    shapes = {node.name: node.shape for node in session.get_inputs()}
    channels, width = shapes["sample"][1], shapes["encoder_hidden_states"][2]
    feeds = {
        "sample": generator.standard_normal((2, channels, latent, latent), np.float32),
        "timestep": np.array([500], np.float32),
        "encoder_hidden_states": generator.standard_normal((2, 77, width), np.float32),
    }
    times = []
    for _ in range(runs + 1):
        began, cpu = time.perf_counter(), time.process_time()
        session.run(None, feeds, run_options)
        times.append((time.perf_counter() - began, time.process_time() - cpu))
    wall, processor = zip(*times[1:], strict=True)
    print(json.dumps({"load_s": load_s, "run_s": wall, "cpu_s": processor}))


def main() -> None:
    """Run every setting in turn, print a table and store it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--latent", type=int, default=64)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--child")
    parser.add_argument("--name", help="of the result file")
    given = parser.parse_args()
    if given.child:
        child(given.bundle, given.latent, given.runs, given.child)
        return
    measured: dict[str, dict[str, Any]] = {name: {"wall": [], "cpu": [], "load": [], "rss": 0} for name in SETTINGS}
    for _ in range(given.rounds):
        for name, row in measured.items():
            command = [
                __file__,
                given.bundle,
                "--latent",
                str(given.latent),
                "--runs",
                str(given.runs),
                "--child",
                name,
            ]
            result = run_child(command)
            row["wall"] += result.output["run_s"]
            row["cpu"] += result.output["cpu_s"]
            row["load"].append(result.output["load_s"])
            row["rss"] = max(row["rss"], result.peak_rss)
    rows = {}
    for name, row in measured.items():
        rows[name] = {
            "run_s": summary(row["wall"]),
            "cpu_s": summary(row["cpu"]),
            "load_s": summary(row["load"]),
            "peak_rss_bytes": row["rss"],
        }
        print(
            f"{name:38} run {rows[name]['run_s']['median']:8.4f} s  cpu {rows[name]['cpu_s']['median']:8.4f} s  "
            f"load {rows[name]['load_s']['median']:6.2f} s  peak {row['rss'] / 1e9:6.3f} GB"
        )
    name = given.name or Path(given.bundle).name
    settings = {"latent": given.latent, "batch": 2, "runs": given.runs, "rounds": given.rounds}
    print(store(f"engine_settings-{name}", {"machine": machine(), "settings": settings, "rows": rows}))


if __name__ == "__main__":
    main()
