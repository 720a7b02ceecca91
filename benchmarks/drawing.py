"""What ``quantisation.py`` times: one picture drawn again and again, in a process that imports edgediff and no more.

    python benchmarks/drawing.py BUNDLE ENGINE STEPS GUIDANCE

Prints the median seconds of a step, the least of decoding, and the processor's seconds a step on one thread, as JSON.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from pathlib import Path

import edgediff
from edgediff_runtimes.results import Timings

_STEPS = 40  # of all pictures together, at least


def main(folder: str, engine: str, steps: int, guidance: float) -> None:
    """Draw and print."""

    def draw(pipeline: edgediff.Pipeline) -> Timings:
        return pipeline("a red apple", seed=0, steps=steps, guidance=guidance).timings

    pictures = math.ceil(_STEPS / steps)
    with edgediff.load(Path(folder), engine=engine) as pipeline:
        draw(pipeline)  # the first call of an engine takes longer
        runs = [draw(pipeline) for _ in range(pictures)]
    with edgediff.load(Path(folder), engine=engine, threads=1) as pipeline:
        draw(pipeline)
        began = time.process_time()
        for _ in range(pictures):
            draw(pipeline)
        cpu = (time.process_time() - began) / (pictures * steps)
    step = statistics.median(second for timings in runs for second in timings.steps_s)
    print(json.dumps({"step_s": step, "decode_s": min(timings.decode_s for timings in runs), "step_cpu_s": cpu}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
