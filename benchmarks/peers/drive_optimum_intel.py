"""optimum-intel: diffusers' pipeline around OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

from drive_diffusers import draw, set_sampler
from driving import Picture
from optimum.intel import OVDiffusionPipeline

VERSIONS = {name: version(name) for name in ("optimum-intel", "openvino", "diffusers", "transformers", "torch")}


def load(job: dict[str, Any]) -> Callable[..., Picture]:
    """A directory of OpenVINO's graphs, in the job's precision."""
    config = {"INFERENCE_PRECISION_HINT": job["precision"], "INFERENCE_NUM_THREADS": job["threads"]}
    pipeline = OVDiffusionPipeline.from_pretrained(job["optimum-intel"], ov_config=config)
    set_sampler(pipeline, job)
    pipeline.set_progress_bar_config(disable=True)
    return partial(draw, pipeline, [])
