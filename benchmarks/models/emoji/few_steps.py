"""Step 9: four steps instead of twenty, by training where four steps look.

    python -m benchmarks.models.emoji.few_steps --work DIR --minutes 5

A latent consistency model is sampled by guessing the drawing, adding noise again, and guessing once more at a lower
noise level (Luo et al. 2023, "Latent consistency models", algorithm 3). Where a caption leaves little to choose, the
denoiser's own guess is already the end of its path, and no teacher is needed: the U-Net goes on learning from the
drawings, but only at the noise levels that `LCMScheduler` visits in one, two, four or eight steps, upright drawings
only, and with a loss that prefers one drawing to the mean of two. (Consistency distillation from the guided teacher
was tried first, in a few minutes: its colours drifted.)
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from benchmarks.models.emoji import denoiser, latents
from benchmarks.models.emoji.budget import Run, options, run_of
from benchmarks.models.emoji.training import autocast, averaged, device, launch, train

VISITED = (999, 879, 759, 639, 499, 379, 259, 139)  # of 8 steps; 4, 2 and 1 are among them


def distance(a: Tensor, b: Tensor, *, c: float = 0.1) -> Tensor:
    """Pseudo-Huber: square for small differences, absolute for large ones."""
    return ((a - b).square() + c**2).sqrt().mean() - c


def _stage(arguments: argparse.Namespace) -> None:
    examples, base = denoiser.build_all(arguments.work)
    averaged(Run(arguments.work, "denoiser"), base)
    base["text"].requires_grad_(requires_grad=False)
    model = denoiser.build()
    model.load_state_dict(base["unet"].state_dict())
    clean = torch.cat(latents.load(arguments.work)).to(device())
    noiser = denoiser.schedule()
    alphas: Tensor = noiser.alphas_cumprod.to(device())
    visited = torch.tensor(VISITED, device=device())

    def loss(generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        del progress
        texts, _, _, row = examples.draw(generator, arguments.batch)
        x0 = clean[row.to(device())]
        noise = torch.randn(x0.shape, generator=generator, device=generator.device)
        t = visited[denoiser.stratified(len(x0), generator) * len(visited) // 1000]
        x = noiser.add_noise(x0, noise, t).contiguous(memory_format=torch.channels_last)
        with autocast():
            with torch.no_grad():
                text = base["text"](examples.encode(texts)).last_hidden_state
            v = model(x, t, text).sample.float()
        alpha = alphas[t][:, None, None, None]
        guess = alpha.sqrt() * x - (1 - alpha).sqrt() * v
        return {"loss": distance(guess, x0), "square": (guess.detach() - x0).square().mean()}

    train(run_of(arguments, "few-steps", ema=0.99, flat=0.2), model, loss)


def main() -> None:
    """Train, or go on training."""
    launch(_stage, options(__doc__, minutes=5, batch=56, rate=1e-3).parse_args())


if __name__ == "__main__":
    main()
