"""Tiny random models of PixArt-α, which is told sizes, and PixArt-Σ, and what diffusers draws with them."""

from __future__ import annotations

import diffusers
import torch
from transformers import T5Config, T5EncoderModel

NAME = "pixart"
VARIANTS = ("-alpha", "-sigma")
PROMPTS = [" A red apple", "a FOX face", "a sailboat\n"]
STARTS = ("noise",)


def build(folder, *, tokenizer, perturb, variant):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    torch.manual_seed(0)
    alpha = variant == "-alpha"
    t5 = T5Config(d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=3, feed_forward_proj="gated-gelu")
    t5.vocab_size = tokenizer(folder / "tokenizer", kind="t5")
    parts = {
        "text_encoder": T5EncoderModel(t5),
        "transformer": diffusers.PixArtTransformer2DModel(
            num_attention_heads=3,
            attention_head_dim=8,
            num_layers=2,
            cross_attention_dim=24,
            caption_channels=24,
            sample_size=128 if alpha else 16,
        ),
        "vae": diffusers.AutoencoderKL(
            sample_size=32,
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            latent_channels=4,
        ),
    }
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    diffusers.DPMSolverMultistepScheduler().save_pretrained(folder / "scheduler")
    return {
        "_class_name": "PixArtAlphaPipeline" if alpha else "PixArtSigmaPipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "PixArtTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def reference(pipeline, *, size, batch, guidance, negative, image, steps, variant):  # noqa: ARG001 - it has no image
    """Final latents and pictures as diffusers has them."""
    latents = pipeline(
        prompt=PROMPTS[:batch],
        negative_prompt=[negative or ""] * batch,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
        width=size[0],
        height=size[1],
        clean_caption=False,  # with it, two more packages change some prompts
        use_resolution_binning=False,
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
