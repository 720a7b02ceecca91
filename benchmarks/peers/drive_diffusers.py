"""diffusers with PyTorch, eager."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline, EulerDiscreteScheduler
from driving import PROMPT, SEED, Picture, named

VERSIONS = {"torch": torch.__version__, "diffusers": diffusers.__version__, "transformers": transformers.__version__}


def load(job: dict[str, Any]) -> Callable[..., Picture]:
    """The pipeline in the job's dtype; bfloat16 in the memory format that suits it."""
    torch.set_num_threads(job["threads"])
    dtype = getattr(torch, job["dtype"])
    pipeline = DiffusionPipeline.from_pretrained(job["pipeline"], torch_dtype=dtype, **missing(job["pipeline"]))
    set_sampler(pipeline, job)
    pipeline.set_progress_bar_config(disable=True)
    if dtype is torch.bfloat16:
        network_of(pipeline).to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    network: list[float] = []
    _time_calls(network_of(pipeline), network)
    return partial(draw, pipeline, network)


def missing(folder: str) -> dict[str, None]:
    """The components that a model leaves out, such as T5 of Stable Diffusion 3: diffusers wants to be told of them."""
    index = json.loads(Path(folder, "model_index.json").read_text(encoding="utf-8"))
    return {name: None for name, value in index.items() if value == [None, None]}


def network_of(pipeline: Any) -> Any:  # noqa: ANN401 - as for draw
    """What a step computes: a U-Net or a transformer."""
    return getattr(pipeline, "unet", None) or pipeline.transformer


def set_sampler(pipeline: Any, job: dict[str, Any]) -> None:  # noqa: ANN401 - as for draw
    """The job's sampler, or the pipeline's own where the job names none."""
    if job.get("sampler") == "euler":
        pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)


def draw(pipeline: Any, network: list[float], **told: float) -> Picture:  # noqa: ANN401 - diffusers' and optimum's alike
    """Draw with a pipeline that has diffusers' call."""
    network.clear()
    ends: list[float] = []

    def step_ended(_: Any, __: int, ___: Any, values: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - diffusers' call
        ends.append(time.perf_counter())
        return values

    result = pipeline(
        prompt=PROMPT,
        generator=torch.Generator("cpu").manual_seed(SEED),
        callback_on_step_end=step_ended,
        **named(told),
    )
    return Picture(ends, list(network), result.images[0].save)


def _time_calls(module: torch.nn.Module, seconds: list[float]) -> None:
    forward = module.forward

    def timed(*values: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the module takes
        began = time.perf_counter()
        result = forward(*values, **named)
        seconds.append(time.perf_counter() - began)
        return result

    module.forward = timed
