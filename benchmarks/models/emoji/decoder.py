"""Step 7: the decoder alone, on latents as the denoiser makes them.

    python -m benchmarks.models.emoji.decoder --work DIR --minutes 5

A sampled latent is a little off, and a decoder that never saw such errors smears them. So half of the latents here are
what the U-Net makes of a noised drawing in one step, and the target is still the drawing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from benchmarks.models.emoji import autoencoder, data, denoiser, latents, recolour
from benchmarks.models.emoji.budget import Run, options, run_of
from benchmarks.models.emoji.training import autocast, averaged, device, launch, train

NOISIEST = 350  # timestep up to which the U-Net's one-step guess is near enough to the drawing


def load(work: Path) -> AutoencoderKL:
    """The whitened autoencoder of step 4; only its decoder learns."""
    model = AutoencoderKL.from_pretrained(work / "vae").to(device(), memory_format=torch.channels_last)
    for part in (model.encoder, model.quant_conv):
        part.requires_grad_(requires_grad=False)
    return model


def _stage(arguments: argparse.Namespace) -> None:
    drawings, coloured = data.load(arguments.work)[1], recolour.load(arguments.work)[1]
    pictures = torch.from_numpy(np.concatenate([drawings, coloured]))
    clean = torch.cat(latents.load(arguments.work)).to(device())
    examples, networks = denoiser.build_all(arguments.work)
    averaged(Run(arguments.work, "denoiser"), networks)
    readable = denoiser.readable_rows(examples, len(clean))
    noiser = denoiser.schedule()
    model = load(arguments.work)

    @torch.no_grad()
    def guessed(texts: list[str], x0: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(x0.shape, generator=generator, device=generator.device)
        t = torch.randint(1, NOISIEST, (len(x0),), generator=generator, device=generator.device)
        x = noiser.add_noise(x0, noise, t)
        v: Tensor = networks["unet"](x, t, networks["text"](examples.encode(texts)).last_hidden_state).sample.float()
        alpha: Tensor = noiser.alphas_cumprod.to(x.device)[t][:, None, None, None]
        x0_guess: Tensor = alpha.sqrt() * x - (1 - alpha).sqrt() * v
        return x0_guess

    def loss(generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        del progress
        texts, _, _, row = examples.draw(generator, arguments.batch)
        x0, picture = clean[row.to(device())], autoencoder.as_input(pictures[row])
        mirrored = denoiser.mirror(x0, row, readable, generator)
        turned = (mirrored != x0).flatten(1).any(1)[:, None, None, None]
        picture = torch.where(turned, picture.flip(3), picture)
        half = len(x0) // 2
        with autocast():
            latent = torch.cat([guessed(texts[:half], mirrored[:half], generator), mirrored[half:]])
            drawn = model.decoder(model.post_quant_conv(latent.contiguous(memory_format=torch.channels_last)))
        value = autoencoder.picture_loss(drawn.float(), picture)
        found = autoencoder.psnr(drawn.detach().float(), picture)
        return {"loss": value, "psnr_guessed": found[:half].mean(), "psnr_encoded": found[half:].mean()}

    train(run_of(arguments, "decoder", ema=0.99, flat=0.1), model, loss)


def main() -> None:
    """Train, or go on training, and report the reconstruction."""
    parser = options(__doc__, minutes=5, batch=8, rate=1e-3)
    arguments = parser.parse_args()
    launch(_stage, arguments)
    model = averaged(Run(arguments.work, "decoder"), load(arguments.work))
    decibel = autoencoder.evaluate(model, torch.from_numpy(data.load(arguments.work)[1]))
    print(f"autoencoder: {decibel:.2f} dB mean PSNR over all drawings")


if __name__ == "__main__":
    main()
