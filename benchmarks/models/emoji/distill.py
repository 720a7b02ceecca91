"""Step 9: four steps instead of twenty, by latent consistency distillation (Luo et al. 2023, algorithm 1).

    python -m benchmarks.models.emoji.distill --work DIR --minutes 15

The student learns to guess, from any noise level, where the teacher's guided path ends. Its target is its own guess
from one teacher step further on (without a gradient and without an averaged copy: Song & Dhariwal 2023). Guidance is in
the weights afterwards: no second pass is needed.
"""

from __future__ import annotations

import argparse

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from benchmarks.models.emoji import denoiser, latents
from benchmarks.models.emoji.budget import Run, options, run_of
from benchmarks.models.emoji.pipeline import ORIGINAL_STEPS
from benchmarks.models.emoji.training import autocast, averaged, device, launch, train

TIMESTEP_SCALING, SIGMA_DATA = 10.0, 0.5  # LCMScheduler's boundary condition
STRIDE = 1000 // ORIGINAL_STEPS


def boundary(t: Tensor) -> tuple[Tensor, Tensor]:
    """`c_skip`, `c_out` of eq. 10: at t = 0 the guess is the input itself."""
    scaled = t.float() * TIMESTEP_SCALING
    skip = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
    out = scaled / (scaled**2 + SIGMA_DATA**2).sqrt()
    return skip[:, None, None, None], out[:, None, None, None]


def distance(a: Tensor, b: Tensor, *, c: float = 0.03) -> Tensor:
    """Pseudo-Huber: square for small differences, absolute for large ones."""
    return ((a - b).square() + c**2).sqrt().mean() - c


def _stage(arguments: argparse.Namespace) -> None:
    examples, teacher = denoiser.build_all(arguments.work)
    averaged(Run(arguments.work, "denoiser"), teacher)
    teacher.requires_grad_(requires_grad=False)
    student = denoiser.build()
    student.load_state_dict(teacher["unet"].state_dict())
    clean = torch.cat(latents.load(arguments.work)).to(device())
    readable = denoiser.readable_rows(examples, len(clean))
    noiser = denoiser.schedule()
    alphas: Tensor = noiser.alphas_cumprod.to(device())
    with torch.no_grad():
        nothing = teacher["text"](examples.encode([""])).last_hidden_state

    def signal(t: Tensor) -> tuple[Tensor, Tensor]:
        alpha = torch.where(t < 0, alphas[0], alphas[t.clamp_min(0)])[:, None, None, None]
        return alpha.sqrt(), (1 - alpha).sqrt()

    def consistent(network: UNet2DConditionModel, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        signal_part, noise_part = signal(t)
        skip, out = boundary(t)
        v: Tensor = network(x, t, text).sample.float()
        return skip * x + out * (signal_part * x - noise_part * v)

    @torch.no_grad()
    def one_step_on(x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """One guided DDIM step of the teacher (Song et al. 2021, eq. 12, eta 0)."""
        both = torch.cat([text, nothing.expand_as(text)])
        v, v_empty = teacher["unet"](torch.cat([x, x]), torch.cat([t, t]), both).sample.float().chunk(2)
        v = v_empty + arguments.guidance * (v - v_empty)
        signal_part, noise_part = signal(t)
        x0, noise = signal_part * x - noise_part * v, noise_part * x + signal_part * v
        signal_part, noise_part = signal(t - STRIDE)
        x_on: Tensor = signal_part * x0 + noise_part * noise
        return x_on

    def loss(generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        del progress
        texts, _, _, row = examples.draw(generator, arguments.batch)
        x0 = denoiser.mirror(clean[row.to(device())], row, readable, generator)
        noise = torch.randn(x0.shape, generator=generator, device=generator.device)
        t = (denoiser.stratified(len(x0), generator) // STRIDE + 1) * STRIDE - 1
        with autocast():
            with torch.no_grad():
                text = teacher["text"](examples.encode(texts)).last_hidden_state
                x = noiser.add_noise(x0, noise, t).contiguous(memory_format=torch.channels_last)
                x_on = one_step_on(x, t, text).contiguous(memory_format=torch.channels_last)
                last = (t < STRIDE)[:, None, None, None]
                target = torch.where(last, x_on, consistent(student, x_on, (t - STRIDE).clamp_min(0), text))
            guess = consistent(student, x, t, text)
        return {"loss": distance(guess, target), "to_drawing": (guess.detach() - x0).square().mean()}

    train(run_of(arguments, "distilled", ema=0.995, flat=0.3), student, loss)


def main() -> None:
    """Train, or go on training."""
    parser = options(__doc__, minutes=15, batch=48, rate=7e-4)
    parser.add_argument("--guidance", type=float, default=3.0, help="built into the student (default: %(default)s)")
    launch(_stage, parser.parse_args())


if __name__ == "__main__":
    main()
