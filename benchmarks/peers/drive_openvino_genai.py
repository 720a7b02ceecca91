"""OpenVINO GenAI: a pipeline in C++."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import openvino as ov
import openvino_genai as genai
from driving import PROMPT, Picture, named
from PIL import Image

VERSIONS = {name: version(name) for name in ("openvino-genai", "openvino", "numpy")}


class _Noise(genai.Generator):
    """Gives the noise that the other peers draw, one tensor after another, so that pictures can be compared."""

    def __init__(self, noise: np.ndarray) -> None:
        super().__init__()
        self._noise = noise.ravel()

    def next(self) -> float:
        """One number at a time is not what a pipeline asks for."""
        raise NotImplementedError

    def randn_tensor(self, shape: list[int]) -> ov.Tensor:
        """The next of the noise."""
        tensor, self._noise = np.split(self._noise, [math.prod(shape)])
        return ov.Tensor(tensor.reshape(list(shape)))


def load(job: dict[str, Any]) -> Callable[..., Picture]:
    """Converted graphs, compiled in the job's precision."""
    pipeline = genai.Text2ImagePipeline(job["openvino-genai"])
    if job.get("sampler") == "euler":
        scheduler = f"{job['openvino-genai']}/scheduler/scheduler_config.json"
        pipeline.set_scheduler(genai.Scheduler.from_config(scheduler, genai.Scheduler.Type.EULER_DISCRETE))
    threads = job["threads"]
    pipeline.compile("CPU", INFERENCE_PRECISION_HINT=job["precision"], INFERENCE_NUM_THREADS=threads)
    return partial(_draw, pipeline, np.load(job["noise"]))


def _draw(pipeline: Any, noise: np.ndarray, **told: float) -> Picture:  # noqa: ANN401 - a class without types
    ends: list[float] = []

    def step_ended(_: int, __: int, ___: ov.Tensor) -> bool:
        ends.append(time.perf_counter())
        return False

    result = pipeline.generate(
        PROMPT,
        generator=_Noise(noise),
        callback=step_ended,
        **named(told),
    )
    durations = pipeline.get_performance_metrics().raw_metrics.unet_inference_durations
    picture = Image.fromarray(np.array(result.data[0]))
    return Picture(ends, [microseconds / 1e6 for microseconds in durations], picture.save)
