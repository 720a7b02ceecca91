"""A small app to freeze: it draws a picture, cancels another, draws the first again from an event loop, and tells when.

    app OUT.png

It prints a line of JSON as each part begins, and at its end one with what it found.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

PROCESSOR_S: dict[str, float] = {}


def phase(name: str) -> None:
    """Say that a part begins, and note the processor seconds until then."""
    PROCESSOR_S[name] = time.process_time()
    print(json.dumps({"phase": name}), flush=True)


def main() -> None:
    """Draw."""
    phase("python")
    import edgediff  # noqa: PLC0415 - the import is one of the parts

    phase("imported")
    with edgediff.load("emoji-lcm") as pipeline:
        phase("opened")
        first = pipeline("a red apple", seed=0)
        phase("first picture")
        first.save(sys.argv[1])
        run = pipeline.stream("a sailboat")
        next(run)
        run.cancel()
        try:
            cancelled = run.result is None
        except edgediff.Cancelled:
            cancelled = True
        again = asyncio.run(pipeline.draw("a red apple", seed=0))
        phase("second picture")
    report = {
        "frozen": getattr(sys, "frozen", False),
        "cancelled": cancelled,
        "again_equal": again.latents.tobytes() == first.latents.tobytes(),
        "torch": "torch" in sys.modules,
        "processor_s": PROCESSOR_S,
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
