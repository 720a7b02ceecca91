"""One peer draws two pictures in a fresh process of its environment: ``ENVIRONMENT/python driving.py JOB`` (JSON).

Phases are announced on stdout as they begin; the last line is the result. Only the standard library is imported before
the peer's own imports are timed.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SEED, PROMPT = 0, "a red apple"
# What diffusers, the optimums and OpenVINO GenAI call what is told of a picture.
_NAMES = {
    "width": "width",
    "height": "height",
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "tokens": "max_sequence_length",
}


@dataclass
class Picture:
    """What a driver notes while it draws.

    Attributes:
        ends: Moments at which each step was done, in seconds of ``time.perf_counter``.
        network_s: Seconds inside the engine's own calls of the network, where the peer lets them be seen.
        save: Writes the picture to a file.
    """

    ends: list[float] = field(default_factory=list)
    network_s: list[float] = field(default_factory=list)
    save: Callable[[str], Any] | None = None


def named(told: dict[str, float]) -> dict[str, float]:
    """What is told of a picture, as these programs call it."""
    return {_NAMES[name]: value for name, value in told.items()}


def draw(drawer: Callable[..., Picture], job: dict[str, Any], which: str) -> dict[str, Any]:
    """Draw one picture and work out where its time went."""
    began = time.perf_counter()
    cpu = time.process_time()
    picture = drawer(width=job["width"], height=job["height"], **job[which])
    ended = time.perf_counter()
    cpu_s = time.process_time() - cpu
    if picture.save is not None and which == "measured":
        picture.save(job["picture"])
    ends = picture.ends
    return {
        "total_s": ended - began,
        # The first step's beginning cannot be seen from outside, so steps are counted from the second on.
        "steps_s": [ends[i] - ends[i - 1] for i in range(1, len(ends))],
        "after_steps_s": ended - ends[-1] if ends else None,
        "network_s": picture.network_s,
        "cpu_s": cpu_s,
    }


def announce(phase: str) -> None:
    """Tell the watching process which phase begins."""
    print(json.dumps({"phase": phase}), flush=True)


def main() -> None:
    """Import, load, draw, and draw again where the job says so."""
    job = json.loads(sys.argv[1])
    announce("import")
    began = time.perf_counter()
    driver = importlib.import_module(job["driver"])
    imported = time.perf_counter()
    announce("load")
    drawer = driver.load(job)
    loaded = time.perf_counter()
    announce("first picture")
    first = draw(drawer, job, "first")
    announce("measured picture")
    measured = None if job["measured"] is None else draw(drawer, job, "measured")
    result = {
        "import_s": imported - began,
        "load_s": loaded - imported,
        "first": first,
        "measured": measured,
        "versions": driver.VERSIONS,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
