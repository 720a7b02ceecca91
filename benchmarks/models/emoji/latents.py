"""Step 4: every drawing as a latent, once, so that the denoiser never waits for the autoencoder.

    python -m benchmarks.models.emoji.latents --work DIR

The latents are whitened (mean 0, variance 1 per channel), and the whitening is folded into the autoencoder's two 1×1
convolutions, so that the pipeline's scaling factor is 1 and no program has to know.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from benchmarks.models.emoji import autoencoder, data, recolour
from benchmarks.models.emoji.budget import Run, plain_options
from benchmarks.models.emoji.training import averaged, device


@torch.no_grad()
def encode(model: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Mean latents of pictures (batch, height, width, channel) uint8, on the CPU."""
    parts = [model.encode(autoencoder.as_input(part)).latent_dist.mean for part in torch.split(pictures, 32)]
    return torch.cat(parts).cpu().contiguous()


@torch.no_grad()
def whiten(model: AutoencoderKL, latents: Tensor) -> None:
    """Fold the latents' mean and standard deviation per channel into `quant_conv` and `post_quant_conv`."""
    mean, deviation = latents.mean((0, 2, 3)).to(device()), latents.std((0, 2, 3)).to(device())
    into, out = model.quant_conv, model.post_quant_conv
    channels = len(mean)
    out.bias += (out.weight[:, :, 0, 0] * mean).sum(1)
    out.weight *= deviation[None, :, None, None]
    into.weight[:channels] /= deviation[:, None, None, None]
    into.bias[:channels] = (into.bias[:channels] - mean) / deviation
    into.bias[channels:] -= 2 * deviation.log()


def load(work: Path) -> tuple[Tensor, Tensor]:
    """Whitened latents of the drawings and of the recoloured ones, (batch, 16, 8, 8)."""
    saved = torch.load(work / "data" / "latents.pt", weights_only=True)
    return saved["drawings"], saved["recoloured"]


def main() -> None:
    """Write `vae/` (whitened) and `data/latents.pt`."""
    parser = plain_options(__doc__)
    arguments = parser.parse_args()
    model: AutoencoderKL = averaged(Run(arguments.work, "autoencoder"), autoencoder.build())
    pictures = torch.from_numpy(data.load(arguments.work)[1])
    coloured = torch.from_numpy(recolour.load(arguments.work)[1])
    whiten(model, encode(model, pictures))
    drawings = encode(model, pictures)
    torch.save({"drawings": drawings, "recoloured": encode(model, coloured)}, arguments.work / "data" / "latents.pt")
    model.to(memory_format=torch.contiguous_format).save_pretrained(arguments.work / "vae")
    print(f"latents {tuple(drawings.shape)}, mean {drawings.mean():.3f}, deviation {drawings.std():.3f}")


if __name__ == "__main__":
    main()
