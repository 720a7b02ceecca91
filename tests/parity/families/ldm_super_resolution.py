"""A tiny random model for super-resolution without a text, and what diffusers draws with it."""

from __future__ import annotations

import copy

import diffusers
import torch

NAME = "ldm-super-resolution"
FROM_NOISE, PICTURE_OPTIONS = False, {}
# guidance, negative prompt, batch, size of the small picture
PLANS = [(None, None, 2, (64, 32)), (None, None, 1, (32, 32))]


def build(folder, *, tokenizer, perturb):  # noqa: ARG001 - there is no text
    """Write the source."""
    torch.manual_seed(0)
    parts = {
        "unet": diffusers.UNet2DModel(
            sample_size=32,
            in_channels=6,
            out_channels=3,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=4,
            attention_head_dim=4,
        ),
        "vqvae": diffusers.VQModel(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            latent_channels=3,
            num_vq_embeddings=64,
        ),
    }
    for module in parts.values():
        perturb(module)
    parts["vqvae"].quantize.embedding.weight.data.normal_()  # as far apart as latents are
    for name, module in parts.items():
        module.save_pretrained(folder / name)
    diffusers.DDIMScheduler(
        beta_start=0.0015, beta_end=0.0155, beta_schedule="scaled_linear", clip_sample=False
    ).save_pretrained(folder / "scheduler")
    return {
        "_class_name": "LDMSuperResolutionPipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
        "vqvae": ["diffusers", "VQModel"],
    }


def asked(batch):
    """Nothing but how many."""
    return None, {"images": batch}


def reference(pipeline, *, size, batch, guidance, negative, image, steps):  # noqa: ARG001 - it takes none of them
    """Final latents, seen as the decoder gets them, and pictures as diffusers has them, one by one."""
    seen, images = [], []
    handle = pipeline.vqvae.quantize.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    for index in range(batch):
        drawer = type(pipeline)(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
        drawer.set_progress_bar_config(disable=True)
        generator = torch.Generator("cpu").manual_seed(7 + index)
        images += drawer(image, num_inference_steps=steps, generator=generator).images
    handle.remove()
    return torch.cat(seen).numpy(), images
