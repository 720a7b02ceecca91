"""Who draws: the diffusers pipeline in torch, or a bundle without it. Both from the same noise, so pictures compare.

Picture i of a list has its own noise, from the list's seed and i; it does not depend on what is drawn beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import Tensor

import edgediff
from benchmarks.models.emoji.training import device

_BATCH = 32
_APART = 100_000  # between two lists' seeds: no list is as long


class Artist(Protocol):
    """A model with its steps and guidance."""

    def draw(self, prompts: list[str], *, seed: int) -> Tensor:
        """Pictures (prompt, height, width, channel) in [0, 1], in the 256 steps that a PNG has."""


def open_artist(folder: Path, *, steps: int, guidance: float, engine: str | None = None) -> Artist:
    """The model in a folder: a diffusers pipeline, or a bundle of edgediff, for which `engine` is an engine's name."""
    if (folder / "edgediff.json").is_file():
        return BundleArtist(folder, steps=steps, guidance=guidance, engine=engine)
    return TorchArtist(folder, steps=steps, guidance=guidance)


@final
class TorchArtist:
    """A diffusers pipeline in float32, on the GPU if there is one."""

    def __init__(self, folder: Path, *, steps: int, guidance: float) -> None:
        self._pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None).to(device())
        self._pipe.set_progress_bar_config(disable=True)
        self._settings = {"num_inference_steps": steps, "guidance_scale": guidance, "height": 64, "width": 64}

    @property
    def autoencoder(self) -> AutoencoderKL:
        """The pipeline's autoencoder."""
        return self._pipe.vae

    def draw(self, prompts: list[str], *, seed: int) -> Tensor:
        """See `Artist`."""
        drawn = []
        for start in range(0, len(prompts), _BATCH):
            part = prompts[start : start + _BATCH]
            noises = [torch.Generator().manual_seed(seed * _APART + start + place) for place in range(len(part))]
            drawn.append(self._pipe(part, generator=noises, output_type="np", **self._settings).images)
        return torch.from_numpy(np.concatenate(drawn) * 255).round() / 255


@final
class BundleArtist:
    """A bundle in edgediff's runtime."""

    def __init__(self, folder: Path, *, steps: int, guidance: float, engine: str | None) -> None:
        self._pipe = edgediff.load(folder, engine=engine)
        self._settings: dict[str, Any] = {"steps": steps, "guidance": guidance, "height": 64, "width": 64}

    def draw(self, prompts: list[str], *, seed: int) -> Tensor:
        """See `Artist`."""
        drawn = []
        for start in range(0, len(prompts), _BATCH):
            result = self._pipe(prompts[start : start + _BATCH], seed=seed * _APART + start, **self._settings)
            drawn += [np.asarray(image, np.float32) / 255 for image in result.images]
        return torch.from_numpy(np.stack(drawn))
