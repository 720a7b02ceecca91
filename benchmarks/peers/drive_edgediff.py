"""edgediff, from its wheel, with one of its engines."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from driving import PROMPT, SEED, Picture

import edgediff
from edgediff.bench.timed_engine import CallLog, TimedEngine
from edgediff_runtimes.engines import get_engine
from edgediff_runtimes.pipeline import Pipeline

FULL_STEPS = 20
VERSIONS = {"edgediff": edgediff.__version__, "numpy": np.__version__}


def load(job: dict[str, Any]) -> Callable[..., Picture]:
    """Components are loaded here, where a user's first picture would do it: so its time compares with the others'."""
    log = CallLog()
    engine = TimedEngine(get_engine(job["engine"]), log)
    VERSIONS[engine.name] = engine.version
    pipeline = edgediff.load(job["bundle"], engine=engine, threads=job["threads"], execution=job.get("execution"))
    for role in ("text_encoder", "unet", "vae_decoder"):
        with pipeline._components.use(role):
            pass
    return partial(_draw, pipeline, log, {"sampler": job.get("sampler"), **job.get("options", {})})


def _draw(
    pipeline: Pipeline,
    log: CallLog,
    settings: dict[str, Any],
    *,
    width: int,
    height: int,
    steps: int,
    guidance: float,
) -> Picture:
    log.calls.clear()
    ends: list[float] = []
    options = {**settings, "width": width, "height": height, "steps": steps, "guidance": guidance}
    if steps < FULL_STEPS:  # the first picture of few steps has no calls to leave out
        options.pop("reuse", None)
    result = pipeline(PROMPT, seed=SEED, on_step=lambda _: ends.append(time.perf_counter()), **options)
    network = [seconds for role, seconds in log.calls if role == "unet"]
    return Picture(ends, network, result.images[0].save)
