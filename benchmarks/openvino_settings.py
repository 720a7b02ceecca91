"""What OpenVINO's compiled cache, ``low_memory``, ``static`` and cancelling cost and give, for one graph of a bundle.

    python benchmarks/openvino_settings.py BUNDLE [--role unet] [--latent 16] [--rounds 2] [--cancels 5]
        [--only CASE ...]

Every case runs in a process of its own, through our engine: as ONNX, and as IR that is made from it beforehand (of a
bundle in IR as that alone); without a cache, with an empty one (*cold*) and with what that left (*warm*). *Static*:
compiled for the size of the first run, and within it. Private memory is what belongs to no file.
Read the processor seconds on a machine that others use too. Results: ``results/openvino_settings-NAME.json``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from harness import machine, run_child, store, summary

# name -> (format, what becomes of the cache, EngineOptions)
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ONNX, no cache": ("onnx", "none", {}),
    "ONNX, cold": ("onnx", "cold", {}),
    "ONNX, warm": ("onnx", "warm", {}),
    "IR, no cache": ("openvino", "none", {}),
    "IR, cold": ("openvino", "cold", {}),
    "IR, warm": ("openvino", "warm", {}),
    "IR, warm, low memory": ("openvino", "warm", {"low_memory": True}),
    "IR, cold, static": ("openvino", "cold", {"static": (512, 512)}),
    "IR, warm, static": ("openvino", "warm", {"static": (512, 512)}),
}


def child(bundle: str, graph: str, role: str, latent: int, cancels: int, name: str) -> None:
    """Measure one case; prints its result as JSON."""
    import numpy as np  # noqa: PLC0415 - only the child pays for it

    from edgediff.bench.memory import memory_of  # noqa: PLC0415 - as above
    from edgediff_runtimes.bundle import Bundle  # noqa: PLC0415 - as above
    from edgediff_runtimes.compiled_cache import CompiledCache  # noqa: PLC0415 - as above
    from edgediff_runtimes.engines import EngineOptions, get_engine  # noqa: PLC0415 - as above

    def private() -> int | None:
        memory = memory_of()
        return None if memory is None else memory.anonymous

    format_, _, options = CASES[name]
    engine = get_engine("openvino")
    before = private()
    began, cpu = time.perf_counter(), time.process_time()
    loaded = dataclasses.replace(Bundle.open(bundle).graph(role), path=Path(graph), format=format_)
    session = engine.load(loaded, device="cpu", options=EngineOptions(**options))
    result: dict[str, Any] = {
        "load_s": time.perf_counter() - began,
        "load_cpu_s": time.process_time() - cpu,
        "private_before": before,
        "private_loaded": private(),
    }
    generator = np.random.default_rng(0)
    feeds = {
        name: generator.standard_normal(_shape(name, spec.shape, latent)).astype(spec.dtype)
        for name, spec in session.inputs.items()
    }
    times = []
    for _ in range(3):
        began, cpu = time.perf_counter(), time.process_time()
        session.run(feeds)
        times.append((time.perf_counter() - began, time.process_time() - cpu))
    wall, processor = zip(*times, strict=True)
    result |= {"run_s": wall, "run_cpu_s": processor, "private_after_runs": private()}
    result["cancel_s"] = _cancel(session, feeds, cancels, times[-1][0])
    result["cache_bytes"] = sum(entry.bytes for entry in CompiledCache.of_user().entries())
    print(json.dumps(result))


def _shape(name: str, axes: tuple[int | str, ...], latent: int) -> list[int]:
    """Lengths for the dynamic axes of Stable Diffusion's graphs, whose names OpenVINO does not keep."""
    batch = 1 if name in {"timestep", "latent_sample"} else 2
    rest = 77 if name in {"encoder_hidden_states", "input_ids"} else latent
    return [axis if isinstance(axis, int) else (rest if index else batch) for index, axis in enumerate(axes)]


def _cancel(session: Any, feeds: Any, cancels: int, run_s: float) -> list[float]:  # noqa: ANN401 - as above
    """Seconds from a cancel at a random moment of a run until the run has ended."""
    import random  # noqa: PLC0415 - only the child needs it

    from edgediff_runtimes.cancellation import CancelToken  # noqa: PLC0415 - as above
    from edgediff_runtimes.errors import Cancelled  # noqa: PLC0415 - as above

    generator, taken = random.Random(0), []  # noqa: S311 - a moment, not a secret
    for _ in range(cancels):
        token, at = CancelToken(), []

        def cancel(token: CancelToken = token, at: list[float] = at) -> None:
            at.append(time.perf_counter())
            token.cancel()

        timer = threading.Timer(generator.random() * run_s * 0.8, cancel)
        timer.start()
        try:
            session.run(feeds, cancel=token)
        except Cancelled:
            taken.append(time.perf_counter() - at[0])
        timer.join()
    return taken


def main() -> None:
    """Run every case in turn, print a table and store it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--role", default="unet")
    parser.add_argument("--latent", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cancels", type=int, default=5, help="one at least")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--child")
    parser.add_argument("--graph")
    parser.add_argument("--name", help="of the result file")
    given = parser.parse_args()
    if given.child:
        child(given.bundle, given.graph, given.role, given.latent, given.cancels, given.child)
        return
    component = Path(given.bundle).absolute() / given.role
    with tempfile.TemporaryDirectory() as folder:
        graphs = {"openvino": component / "openvino_model.xml"}
        if not graphs["openvino"].exists():
            graphs["onnx"] = component / "model.onnx"
            graphs["openvino"] = _converted(graphs["onnx"], Path(folder) / "ir")
        cases = {name: case for name, case in CASES.items() if case[0] in graphs and name in given.only}
        measured: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
        for index in range(given.rounds):
            for name, (format_, cache, options) in cases.items():
                kept = f"{folder}/cache-{index}-{format_}-{'static' in options}"
                environment = dict(os.environ) | {"EDGEDIFF_CACHE": kept}
                environment["EDGEDIFF_CACHE_LIMIT"] = "0" if cache == "none" else "1000GB"
                command = [
                    __file__,
                    given.bundle,
                    "--child",
                    name,
                    "--graph",
                    str(graphs[format_]),
                    "--role",
                    given.role,
                ]
                command += ["--latent", str(given.latent), "--cancels", str(given.cancels)]
                found = run_child(command, environment=environment)
                measured[name].append({**found.output, "peak_private": found.peak_anonymous})
                _print(name, _row(measured[name]))
    rows = {name: _row(results) for name, results in measured.items()}
    settings = {"role": given.role, "latent": given.latent, "batch": 2, "rounds": given.rounds}
    name = given.name or Path(given.bundle).name
    print(store(f"openvino_settings-{name}", {"machine": machine(), "settings": settings, "rows": rows}))


def _print(name: str, row: dict[str, Any]) -> None:
    print(
        f"{name:22} load {row['load_cpu_s']['median']:6.2f} cpu s, first run {row['first_run_cpu_s']['median']:6.2f}, "
        f"run {row['run_cpu_s']['median']:6.2f} cpu s, "
        f"private peak {row['peak_private'] / 1e9:5.2f} GB, after {row['private_after_runs'] / 1e9:5.2f} GB, "
        f"cache {row['cache_bytes'] / 1e6:7.1f} MB, cancelled after {row['cancel_s']['median'] * 1e3:5.0f} ms",
        flush=True,
    )


def _converted(onnx: Path, folder: Path) -> Path:
    from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - not for the children

    folder.mkdir()
    ov.save_model(ov.Core().read_model(onnx), folder / "openvino_model.xml", compress_to_fp16=False)
    return folder / "openvino_model.xml"


def _row(results: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {name: summary([one[name] for one in results]) for name in ("load_s", "load_cpu_s")}
    row |= {name: summary([second for one in results for second in one[name][1:]]) for name in ("run_s", "run_cpu_s")}
    row["first_run_cpu_s"] = summary([one["run_cpu_s"][0] for one in results])
    row["cancel_s"] = summary([second for one in results for second in one["cancel_s"]])
    row |= {
        name: max(one[name] for one in results) for name in ("private_loaded", "private_after_runs", "peak_private")
    }
    return row | {"cache_bytes": results[0]["cache_bytes"]}


if __name__ == "__main__":
    main()
