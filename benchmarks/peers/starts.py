"""Cold and warm starts of edgediff and its peers: from the start of a process to its first picture.

    python benchmarks/peers/starts.py CACHE PIPELINE BUNDLE [--int8 BUNDLE8] [--size 128x128] [--rounds 2]

The picture has one step without guidance and few pixels, so that what is timed is importing and loading. *Cold*: the
model's files are not in the page cache, and edgediff has compiled nothing yet. *Warm*: the same again at once. Results:
``results/peers_start-NAME.json``; the table is printed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from environments import PEERS
from run import forget, job_for, model_of, process

sys.path.insert(0, str(Path(__file__).parents[1]))
from harness import machine, store, summary

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.noise import noise_source

ONE_STEP = {"steps": 1, "guidance": 1.0}


def started(given: argparse.Namespace, name: str, job: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Seconds of a cold start and of the warm one after it."""
    rows = {}
    with tempfile.TemporaryDirectory() as cache:
        for start in ("cold", "warm"):
            if start == "cold":
                forget(model_of(name, job))
            child = process(given, name, job, EDGEDIFF_CACHE=cache)
            whole = next(at for at, phase in child.marks if phase == "measured picture")
            rows[start] = {"start_s": whole, **{key: child.output[key] for key in ("import_s", "load_s")}}
    return rows


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """All rounds; the result is stored after every peer."""
    folder = given.cache / "pictures" / given.pipeline.name
    folder.mkdir(parents=True, exist_ok=True)
    space = Bundle.open(given.bundle).manifest.recipe.first.space
    width, height = map(int, given.size.split("x"))
    shape = (1, space.channels, height // space.factor, width // space.factor)
    np.save(folder / "noise.npy", noise_source(0, "torch-cpu").standard_normal(shape))
    report: dict[str, Any] = {
        "machine": machine(),
        "settings": {name: str(getattr(given, name)) for name in ("size", "threads", "rounds")},
        "rounds": {name: [] for name in given.only},
    }
    for _ in range(given.rounds):
        for name in given.only:
            job = {**job_for(given, name, folder), "first": ONE_STEP, "measured": None}
            report["rounds"][name].append(started(given, name, job))
            store(f"peers_start-{given.pipeline.name}", report)
    return report


def table(report: dict[str, Any]) -> str:
    """Peers as rows: medians over the rounds, in seconds."""
    lines = ["| | cold start, s | warm start, s | of that importing | and loading |", "|---" * 5 + "|"]
    for name, rounds in report["rounds"].items():
        read = [("cold", "start_s"), ("warm", "start_s"), ("warm", "import_s"), ("warm", "load_s")]
        cells = [f"{summary([row[start][key] for row in rounds])['median']:.1f}" for start, key in read]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, store, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("pipeline", type=Path, help="a diffusers directory")
    parser.add_argument("bundle", type=Path, help="what edgediff exported from it")
    parser.add_argument("--int8", type=Path, help="the same model as edgediff's OpenVINO bundle of precision int8")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--size", default="128x128")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    given.steps, given.guidance = ONE_STEP["steps"], ONE_STEP["guidance"]
    if given.int8 is None:
        given.only = [peer for peer in given.only if PEERS[peer][1].get("model") != "edgediff-int8"]
    given.cache, given.pipeline, given.bundle = (path.resolve() for path in (given.cache, given.pipeline, given.bundle))
    print(table(measure(given)))


if __name__ == "__main__":
    main()
