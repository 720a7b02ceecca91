"""What weights stored in fewer bytes cost when they are used: load, one guided U-Net call, memory, per precision.

    python benchmarks/stored_weights.py FP32BUNDLE W16BUNDLE W8BUNDLE [--latent 64] [--runs 5] [--name NAME]

ONNX Runtime leaves a ``DequantizeLinear`` of a convolution's constant weights in the graph, to be computed in every
call, and makes a ``MatMulNBits`` of one before a matrix product, which rounds the activations to int8 as well unless
its ``accuracy_level`` is 1. Told that nothing is quantised (``session.disable_quant_qdq``) it widens all weights once
at load. All three are measured with the settings that edgediff uses otherwise, with and without ``low_memory``. Every
row runs in a process of its own, in turns; its error is against the first bundle's first row, max |difference| / max
|output|. Results: ``results/stored_weights-NAME.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import machine, run_child, store, summary

# name -> session config entries
AS_IT_IS = "library's way"
WAYS: dict[str, dict[str, str]] = {
    AS_IT_IS: {},
    "kept, float32": {"session.qdq_matmulnbits_accuracy_level": "1"},
    "widened at load": {"session.disable_quant_qdq": "1"},
}


def child(bundle: str, way: str, low_memory: int, expected: Path, latent: int, runs: int) -> None:
    """Time one row; prints its result as JSON. The first one writes down what is expected of the others."""
    import numpy as np  # noqa: PLC0415 - only the child pays for it

    from edgediff_runtimes.engines.onnxruntime_library import ort  # noqa: PLC0415 - as above

    options = ort.SessionOptions()
    options.log_severity_level = 3
    for key, value in WAYS[way].items():
        options.add_session_config_entry(key, value)
    if low_memory:  # as edgediff_runtimes.engines.onnxruntime does
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.disable_prepacking", "1")
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
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
        began = time.perf_counter()
        outputs = session.run(None, feeds)
        times.append(time.perf_counter() - began)
    if not expected.exists():
        np.save(expected, outputs[0])
    right = np.load(expected)
    error = float(np.abs(outputs[0] - right).max() / np.abs(right).max())
    print(json.dumps({"load_s": load_s, "run_s": times[1:], "error": error}))


def main() -> None:
    """Run every row in turn, print a table and store it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", help="the same model at several precisions")
    parser.add_argument("--latent", type=int, default=64)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=3, help="for the processes that it starts")
    parser.add_argument("--name", default="model", help="of the result file")
    given = parser.parse_args()
    if given.child:
        way, low, expected = given.child
        child(given.bundles[0], way, int(low), Path(expected), given.latent, given.runs)
        return
    rows: dict[tuple[str, str, int], dict[str, Any]] = {
        (bundle, way, low): {"run": [], "load": [], "error": 0.0, "rss": 0, "anonymous": 0}
        for low in (0, 1)
        for bundle in given.bundles
        for way in (WAYS if _precision(bundle) == "w8" else [AS_IT_IS])
    }
    sizes = ["--latent", str(given.latent), "--runs", str(given.runs)]
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.rounds):
            for (bundle, way, low), row in rows.items():
                result = run_child([__file__, bundle, *sizes, "--child", way, str(low), f"{folder}/expected.npy"])
                row["run"] += result.output["run_s"]
                row["load"].append(result.output["load_s"])
                row["error"] = max(row["error"], result.output["error"])
                row["rss"] = max(row["rss"], result.peak_rss)
                row["anonymous"] = max(row["anonymous"], result.peak_anonymous)
    table = [_row(key, row) for key, row in rows.items()]
    settings = {"latent": given.latent, "batch": 2, "runs": given.runs, "rounds": given.rounds}
    print(store(f"stored_weights-{given.name}", {"machine": machine(), "settings": settings, "rows": table}).name)


def _row(key: tuple[str, str, int], row: dict[str, Any]) -> dict[str, Any]:
    bundle, way, low = key
    found = {
        "precision": _precision(bundle),
        "weights": way,
        "low_memory": bool(low),
        "file_bytes": sum(file.stat().st_size for file in Path(bundle, "unet").glob("model.onnx*")),
        "run_s": summary(row["run"]),
        "load_s": summary(row["load"]),
        "error": row["error"],
        "peak_rss_bytes": row["rss"],
        "peak_private_bytes": row["anonymous"],
    }
    print(
        f"{found['precision']:5} {way:16} low_memory={low} {found['file_bytes'] / 1e6:8.1f} MB"
        f"  run {found['run_s']['median']:8.4f} (min {found['run_s']['min']:.4f}) s"
        f"  load {found['load_s']['median']:6.3f} s  error {row['error']:.1e}"
        f"  private {row['anonymous'] / 1e6:7.1f} MB  resident {row['rss'] / 1e6:7.1f} MB"
    )
    return found


def _precision(bundle: str) -> str:
    manifest = json.loads(Path(bundle, "edgediff.json").read_text(encoding="utf-8"))
    return str(manifest["components"]["unet"]["precision"])


if __name__ == "__main__":
    main()
