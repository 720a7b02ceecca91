"""A tiny random DiT with 1000 classes and a learned variance, and what diffusers draws with it."""

from __future__ import annotations

import diffusers
import torch

NAME = "dit"
LABELS = [207, "Tinca tinca", 999]
NUMBERS = [207, 0, 999]
# guidance, negative prompt, batch, size: diffusers' pipeline has one
PLANS = [(1.0, None, 1, None), (4.0, None, 3, None), (4.0, None, 1, None)]
STARTS = ("noise",)


def build(folder, *, tokenizer, perturb):  # noqa: ARG001 - there is no text
    """Write the source."""
    torch.manual_seed(0)
    parts = {
        "transformer": diffusers.DiTTransformer2DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            in_channels=4,
            out_channels=8,
            num_layers=2,
            sample_size=8,
            patch_size=2,
            num_embeds_ada_norm=1000,
        ),
        "vae": diffusers.AutoencoderKL(
            sample_size=16,
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            latent_channels=4,
        ),
    }
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    diffusers.DDIMScheduler(clip_sample=False, beta_schedule="linear").save_pretrained(folder / "scheduler")
    return {
        "_class_name": "DiTPipeline",
        "_diffusers_version": "0.42.1",
        "id2label": {"0": "tench, Tinca tinca", "207": "golden retriever", "999": "toilet tissue, toilet paper"},
        "scheduler": ["diffusers", "DDIMScheduler"],
        "transformer": ["diffusers", "DiTTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def asked(batch):
    """No prompt, and a label for each picture."""
    return None, {"class_label": LABELS[:batch]}


def reference(pipeline, *, size, batch, guidance, negative, image, steps):  # noqa: ARG001 - a DiT takes neither
    """Final latents, seen as the VAE gets them, and pictures as diffusers has them."""
    seen = []
    handle = pipeline.vae.post_quant_conv.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    images = pipeline(
        class_labels=NUMBERS[:batch],
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        num_inference_steps=steps,
    ).images
    handle.remove()
    return (seen[0] * pipeline.vae.config.scaling_factor).numpy(), images
