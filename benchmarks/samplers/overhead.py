"""What a sampler costs beside its network: time per step around a network that costs nothing.

Every named sampler runs 20 steps on a 1x4x64x64 float32 latent around a network that returns a ready array. Reported
per step: the median and the 10th and 90th percentile over the steps of all runs after one run of warm-up.

    python benchmarks/samplers/overhead.py [--runs 20] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np

from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.sampling import build_sampler, sampler_config, sampler_table

SHAPE = (1, 4, 64, 64)
STEPS = 20
BASE = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}


def milliseconds(name: str, *, needs: str, runs: int) -> list[float]:
    """Milliseconds of every step of every run but the first."""
    sampler = build_sampler(sampler_config(name, FLOW if needs == "flow" else BASE), STEPS)
    noise = noise_source(0).standard_normal(SHAPE)
    channels = SHAPE[1] * (2 if needs == "guidance" else 1)
    answer = noise_source(1).standard_normal((SHAPE[0], channels, *SHAPE[2:]))
    times: list[float] = []
    for run in range(runs + 1):
        rng, before = noise_source(2), time.perf_counter()
        for _ in sampler.iterate(lambda _x, _t: answer, noise, rng=rng):
            now = time.perf_counter()
            if run:
                times.append((now - before) * 1e3)
            before = time.perf_counter()
    return times


def main() -> None:
    """Measure every named sampler and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    about = {
        "machine": platform.machine(),
        "processor": platform.processor(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "shape": SHAPE,
        "steps": STEPS,
        "runs": arguments.runs,
    }
    rows = []
    for info in sampler_table():
        times = milliseconds(info.name, needs=info.needs, runs=arguments.runs)
        low, median, high = (float(v) for v in np.percentile(times, [10, 50, 90]))
        rows.append({"sampler": info.name, "calls": info.calls, "median_ms": median, "p10_ms": low, "p90_ms": high})
    print(json.dumps(about))
    print("| sampler | calls per step | median ms per step | 10th-90th percentile |\n|---|---|---|---|")
    for row in rows:
        spread = f"{row['p10_ms']:.3f}-{row['p90_ms']:.3f}"
        print(f"| {row['sampler']} | {row['calls']} | {row['median_ms']:.3f} | {spread} |")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
