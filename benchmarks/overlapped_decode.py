"""Whether to decode one picture while the next is drawn gains anything: seconds of several, as a ratio in turns.

    python benchmarks/overlapped_decode.py BUNDLE [--size 256x256] [--pictures 4] [--rounds 5] [--engine onnxruntime]

Both ways draw the same pictures with one pipeline, in turns: one after the other, and with each decode on a thread
beside the next picture's steps. Results: ``results/overlapped_decode-NAME-ENGINE.json``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness import machine, store, summary

import edgediff
from edgediff import Pipeline, Result, Run
from edgediff_runtimes.settings import Options

PROMPT = "a red apple"


def drawn(pipeline: Pipeline, given: argparse.Namespace) -> Iterator[Run]:
    """Runs whose steps are done and whose pictures are not yet decoded."""
    width, height = map(int, given.size.split("x"))
    for seed in range(given.pictures):
        asked: Options = {"seed": seed, "width": width, "height": height}
        run = pipeline.stream(PROMPT, **asked)
        for _ in range(run.total_steps):
            next(run)
        yield run


def in_turn(pipeline: Pipeline, given: argparse.Namespace) -> list[Result]:
    """One picture after the other."""
    return [run.result for run in drawn(pipeline, given)]


def beside(pipeline: Pipeline, given: argparse.Namespace) -> list[Result]:
    """Each is decoded while the next is drawn."""
    with ThreadPoolExecutor(1) as worker:
        futures = [worker.submit(lambda run=run: run.result) for run in drawn(pipeline, given)]
        return [future.result() for future in futures]


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--size", default="256x256")
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", default="onnxruntime")
    given = parser.parse_args()
    seconds: dict[str, list[float]] = {"in turn": [], "beside": []}
    with edgediff.load(given.bundle, engine=given.engine, residency="resident") as pipeline:
        told = in_turn(pipeline, given)[-1].timings  # also warms up
        for _ in range(given.rounds):
            for name, draw in (("in turn", in_turn), ("beside", beside)):
                began = time.perf_counter()
                draw(pipeline, given)
                seconds[name].append(time.perf_counter() - began)
    ratios = [after / before for before, after in zip(seconds["in turn"], seconds["beside"], strict=True)]
    result: dict[str, Any] = {
        "machine": machine(),
        "size": given.size,
        "pictures": given.pictures,
        "decode_share": told.decode_s / told.total_s,
        "seconds": {name: summary(values) for name, values in seconds.items()},
        "ratio": summary(ratios),
    }
    print(result["decode_share"], result["ratio"])
    print(store(f"overlapped_decode-{Path(given.bundle).name}-{given.engine}", result))


if __name__ == "__main__":
    main()
