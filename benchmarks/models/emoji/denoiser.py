"""Step 6: the U-Net and the text encoder, trained together on the cached latents.

    python -m benchmarks.models.emoji.denoiser --work DIR --minutes 65

v-prediction (Salimans & Ho 2022, "Progressive distillation") on Stable Diffusion's noise schedule, stratified
timesteps, a tenth of the captions empty for classifier-free guidance, a tenth of the latents mirrored.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.models.emoji import latents, text_encoder, tokenizer
from benchmarks.models.emoji.budget import Run, options, run_of
from benchmarks.models.emoji.training import autocast, averaged, device, launch, train

EMPTY_SHARE = 0.1
MIRRORED_SHARE = 0.1
GUESS_WEIGHT = 0.02
_READABLE = {"hundred points", "calendar", "tear off calendar", "spiral calendar", "dvd", "t rex", "love hotel"}


def build() -> UNet2DConditionModel:
    """An untrained U-Net of 3.5 M weights: 8×8 and 4×4, attention at 4×4 only, a pooled caption beside the time."""
    model = UNet2DConditionModel(
        sample_size=8, in_channels=16, out_channels=16, block_out_channels=(112, 96), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=128, attention_head_dim=4, norm_num_groups=16, use_linear_projection=True,
        resnet_time_scale_shift="scale_shift", time_embedding_dim=160,
        addition_embed_type="text", addition_embed_type_num_heads=4,
    )  # fmt: skip
    model.set_attn_processor(AttnProcessor())  # under bfloat16 autocast on a CPU the fused one is slower
    return model.to(device(), memory_format=torch.channels_last)


def schedule() -> DDIMScheduler:
    """Stable Diffusion's noise levels, v-prediction, trailing timesteps (Lin et al. 2023: start from the last one)."""
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type="v_prediction", timestep_spacing="trailing",
    )  # fmt: skip


def stratified(count: int, generator: torch.Generator) -> Tensor:
    """One timestep out of each of `count` equal parts of [0, 1000), in random order: less noise in the loss."""
    place = torch.rand(count, generator=generator, device=generator.device)
    order = torch.randperm(count, generator=generator, device=generator.device)
    return ((order + place) * (1000 / count)).long()


def mirror(latent: Tensor, rows: Tensor, readable: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror a tenth of the latents, but no drawing with letters or digits on it."""
    lot = torch.rand(len(latent), generator=generator, device=generator.device)
    mirrored = (lot < MIRRORED_SHARE) & ~readable[rows].to(latent.device)
    return torch.where(mirrored[:, None, None, None], latent.flip(3), latent)


def readable_rows(examples: text_encoder.Examples, rows: int) -> Tensor:
    """Which rows of the latents must not be mirrored."""
    readable = torch.zeros(rows, dtype=torch.bool)
    for index, concept in enumerate(examples.concepts):
        readable[index] = concept.name in _READABLE
    return readable


def build_all(work: Path) -> tuple[text_encoder.Examples, nn.ModuleDict]:
    """The examples and one module of text encoder, head and U-Net."""
    examples = text_encoder.Examples(work)
    model = text_encoder.build_with_head(examples, len(tokenizer.load(work)))
    model["unet"] = build()
    return examples, model


def _stage(arguments: argparse.Namespace) -> None:
    examples, model = build_all(arguments.work)
    known = text_encoder.build_with_head(examples, len(tokenizer.load(arguments.work)))
    averaged(Run(arguments.work, "text"), known)
    model["text"].load_state_dict(known["text"].state_dict())
    model["head"].load_state_dict(known["head"].state_dict())
    clean = torch.cat(latents.load(arguments.work)).to(device())
    readable = readable_rows(examples, len(clean))
    noiser = schedule()

    def loss(generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        del progress
        texts, drawing, colour, row = examples.draw(generator, arguments.batch)
        empty = torch.rand(len(texts), generator=generator, device=generator.device) < EMPTY_SHARE
        texts = ["" if gone else text for text, gone in zip(texts, empty.tolist(), strict=True)]
        x0 = mirror(clean[row.to(device())], row, readable, generator).contiguous(memory_format=torch.channels_last)
        noise = torch.randn(x0.shape, generator=generator, device=generator.device)
        t = stratified(len(x0), generator)
        with autocast():
            text = model["text"](examples.encode(texts))
            guess, right = text_encoder.guess_loss(
                model["head"], text.pooler_output[~empty], drawing[~empty.cpu()], colour[~empty.cpu()]
            )
            v = model["unet"](noiser.add_noise(x0, noise, t), t, text.last_hidden_state).sample
        denoising = functional.mse_loss(v.float(), noiser.get_velocity(x0, noise, t))
        return {"loss": denoising + GUESS_WEIGHT * guess, "denoising": denoising, "right": right}

    train(run_of(arguments, "denoiser", ema=0.995), model, loss)


def main() -> None:
    """Train, or go on training."""
    parser = options(__doc__, minutes=65, batch=48, rate=2e-3)
    launch(_stage, parser.parse_args())


if __name__ == "__main__":
    main()
