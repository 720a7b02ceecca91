"""Step 2: the autoencoder, 64×64 pictures to 8×8 latents of 16 channels and back.

    python -m benchmarks.models.emoji.autoencoder --work DIR --minutes 18

The loss is L1 + 2·L2 + 0.5·(L1 of differences of neighbouring pixels) + a little KL. Half of the latents are mirrored
before decoding and held against the mirrored drawing, so that mirroring a latent mirrors the picture: the denoiser may
then learn from mirrored latents for free, and such latents are easier to denoise (Kouzelis et al. 2025, "EQ-VAE").
"""

from __future__ import annotations

import argparse
import math

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from benchmarks.models.emoji import data
from benchmarks.models.emoji.budget import Run, options, run_of
from benchmarks.models.emoji.training import autocast, averaged, device, launch, train


def build() -> AutoencoderKL:
    """An untrained autoencoder: 8 times smaller, 16 channels, 1.5 M weights."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(24, 48, 64, 80),
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=8,
        sample_size=64,
        scaling_factor=1.0,  # latents are whitened inside the autoencoder, see latents.py
    ).to(device(), memory_format=torch.channels_last)


def as_input(pictures: Tensor) -> Tensor:
    """Pictures (batch, height, width, channel) uint8 as the network's (batch, channel, height, width) in [-1, 1]."""
    return (pictures.permute(0, 3, 1, 2).float() / 127.5 - 1).to(device(), memory_format=torch.channels_last)


def picture_loss(drawn: Tensor, picture: Tensor) -> Tensor:
    """L1 + 2·L2 + 0.5·L1 of the differences of neighbouring pixels, which is what keeps edges."""
    difference = drawn - picture
    edges = sum(difference.diff(dim=axis).abs().mean() for axis in (2, 3))
    return difference.abs().mean() + 2 * difference.square().mean() + 0.5 * edges


def psnr(drawn: Tensor, picture: Tensor) -> Tensor:
    """Peak signal-to-noise ratio per picture in dB, of 8-bit pictures, inputs in [-1, 1]."""
    error = (drawn.clamp(-1, 1).add(1).mul(127.5).round() - picture.add(1).mul(127.5)).square().mean((1, 2, 3))
    return 10 * torch.log10(255**2 / error.clamp_min(1e-6))


def _stage(arguments: argparse.Namespace) -> None:
    pictures = torch.from_numpy(data.load(arguments.work)[1])
    model = build()

    def loss(generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        del progress
        chosen = torch.randint(len(pictures), (arguments.batch,), generator=generator, device=generator.device)
        picture = as_input(pictures[chosen.cpu()])
        with autocast():
            mean, log_variance = model.quant_conv(model.encoder(picture)).float().chunk(2, dim=1)
            log_variance = log_variance.clamp(-20, 10)
            latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
            mirrored = torch.arange(len(latent), device=latent.device) % 2 == 1
            latent = torch.where(mirrored[:, None, None, None], latent.flip(3), latent)
            picture = torch.where(mirrored[:, None, None, None], picture.flip(3), picture)
            drawn = model.decoder(model.post_quant_conv(latent))
        drawn = drawn.float()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        reconstruction = picture_loss(drawn, picture)
        decibel = psnr(drawn.detach(), picture).mean()
        return {"loss": reconstruction + arguments.kl * divergence, "psnr": decibel, "kl": divergence}

    train(run_of(arguments, "autoencoder", ema=0.995), model, loss)


@torch.no_grad()
def evaluate(model: AutoencoderKL, pictures: Tensor) -> float:
    """Mean PSNR in dB over all pictures, encoded to the mean latent and decoded in float32."""
    found = []
    for start in range(0, len(pictures), 32):
        picture = as_input(pictures[start : start + 32])
        drawn = model.decode(model.encode(picture).latent_dist.mean).sample
        found.append(psnr(drawn, picture))
    return float(torch.cat(found).mean())


def main() -> None:
    """Train, or go on training, and report the reconstruction."""
    parser = options(__doc__, minutes=18, batch=4, rate=2e-3)
    parser.add_argument("--kl", type=float, default=1e-3, help="weight of the KL term (default: %(default)s)")
    arguments = parser.parse_args()
    launch(_stage, arguments)
    model = averaged(Run(arguments.work, "autoencoder"), build())
    decibel = evaluate(model, torch.from_numpy(data.load(arguments.work)[1]))
    print(f"autoencoder: {decibel:.2f} dB mean PSNR over all drawings")
    if not math.isfinite(decibel):
        raise SystemExit("the autoencoder diverged: try a smaller --rate")


if __name__ == "__main__":
    main()
