"""Step 8: the pipelines' folders, as diffusers reads them, from whatever has been trained so far.

    python -m benchmarks.models.emoji.pipeline --work DIR --out DIR/final/emoji
    python -m benchmarks.models.emoji.pipeline --work DIR --out DIR/final/emoji-lcm --few-steps

The folder is written beside its place and renamed into it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, LCMScheduler, StableDiffusionPipeline, UNet2DConditionModel

from benchmarks.models.emoji import decoder, denoiser, tokenizer
from benchmarks.models.emoji.budget import Run, plain_options
from benchmarks.models.emoji.training import averaged

ORIGINAL_STEPS = 50  # LCMScheduler picks its timesteps out of these, see few_steps.VISITED


def few_step_schedule() -> LCMScheduler:
    """The base model's noise levels, sampled as a latent consistency model (Luo et al. 2023)."""
    config = denoiser.schedule().config
    return LCMScheduler.from_config(config, original_inference_steps=ORIGINAL_STEPS, timestep_spacing="leading")


def networks(work: Path, *, few_steps: bool) -> tuple[torch.nn.Module, UNet2DConditionModel, AutoencoderKL]:
    """Text encoder, U-Net and autoencoder, averaged weights, from the checkpoints there are."""
    _, model = denoiser.build_all(work)
    averaged(Run(work, "denoiser"), model)
    unet = model["unet"]
    if few_steps:
        unet = averaged(Run(work, "few-steps"), denoiser.build())
    vae = AutoencoderKL.from_pretrained(work / "vae")
    run = Run(work, "decoder")
    if run.checkpoint.exists():
        vae = averaged(run, decoder.load(work))
    return model["text"], unet, vae


def assemble(work: Path, *, few_steps: bool) -> StableDiffusionPipeline:
    """The whole pipeline, float32, on the CPU."""
    text, unet, vae = networks(work, few_steps=few_steps)
    unet.set_default_attn_processor()
    return StableDiffusionPipeline(
        vae=vae.to("cpu", memory_format=torch.contiguous_format),
        text_encoder=text.to("cpu"),
        tokenizer=tokenizer.load(work),
        unet=unet.to("cpu", memory_format=torch.contiguous_format),
        scheduler=few_step_schedule() if few_steps else denoiser.schedule(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def write(pipe: StableDiffusionPipeline, out: Path, *, work: Path) -> None:
    """Save as safetensors beside `out`, then take its place.

    The tokenizer's own files are added: `save_pretrained` of transformers 5 writes `tokenizer.json` alone, and programs
    that follow CLIP look for `vocab.json` and `merges.txt`.
    """
    partial, old = out.with_name(f".{out.name}.partial"), out.with_name(f".{out.name}.old")
    out.parent.mkdir(parents=True, exist_ok=True)
    for folder in (partial, old):
        shutil.rmtree(folder, ignore_errors=True)
    pipe.save_pretrained(partial, safe_serialization=True)
    shutil.copytree(work / "tokenizer", partial / "tokenizer", dirs_exist_ok=True)
    if out.exists():
        out.rename(old)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def main() -> None:
    """Write one pipeline folder."""
    parser = plain_options(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the pipeline's folder")
    parser.add_argument("--few-steps", action="store_true", help="the few-step U-Net with LCMScheduler")
    arguments = parser.parse_args()
    pipe = assemble(arguments.work, few_steps=arguments.few_steps)
    write(pipe, arguments.out, work=arguments.work)
    for name in ("text_encoder", "unet", "vae"):
        print(f"{name}: {sum(weight.numel() for weight in getattr(pipe, name).parameters()) / 1e6:.2f} M weights")


if __name__ == "__main__":
    main()
