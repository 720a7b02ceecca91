"""Tiny random models of Stable Diffusion, one of which draws into pictures, and what diffusers draws with them.

The trained model of this repository is compared more thoroughly, in tests/parity/test_pipeline_parity.py.
"""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import CLIPTextConfig, CLIPTextModel

NAME = "stable-diffusion"
VARIANTS = ("", "-inpainting")
STARTS = {"": ("noise", "mask"), "-inpainting": ("mask",)}
PROMPTS = ["a red apple", "a fox face", "a sailboat"]


def build(folder, *, tokenizer, perturb, variant=""):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    torch.manual_seed(0)
    vocabulary = tokenizer(folder / "tokenizer")
    parts = {
        "text_encoder": CLIPTextModel(
            CLIPTextConfig(
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=20,
                vocab_size=vocabulary,
                bos_token_id=vocabulary - 2,
                eos_token_id=vocabulary - 1,
                pad_token_id=vocabulary - 1,
            )
        ),
        "unet": diffusers.UNet2DConditionModel(
            sample_size=16,
            in_channels=9 if variant else 4,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
            attention_head_dim=2,
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
    scheduler = diffusers.PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    )
    scheduler.save_pretrained(folder / "scheduler")
    return {
        "_class_name": f"StableDiffusion{'Inpaint' if variant else ''}Pipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def reference(
    pipeline,
    *,
    size,
    batch,
    guidance,
    negative,
    image,
    steps,
    mask=None,
    strength=0.6,
    scheduler=None,
    variant="",  # noqa: ARG001 - it is loaded
):
    """Final latents and pictures as diffusers has them; ``scheduler`` is another than the pipeline's own."""
    kind = diffusers.StableDiffusionPipeline if mask is None else diffusers.StableDiffusionInpaintPipeline
    parts = {**pipeline.components, "scheduler": copy.deepcopy(scheduler or pipeline.scheduler)}
    drawer = kind(**parts, requires_safety_checker=False)
    drawer.set_progress_bar_config(disable=True)
    # A picture for each: of one for all, diffusers draws latents once, so that the second depends on the first's seed.
    start = {} if mask is None else {"image": [image] * batch, "mask_image": [mask] * batch, "strength": strength}
    latents = drawer(
        prompt=PROMPTS[:batch],
        negative_prompt=None if negative is None else [negative] * batch,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
        width=size[0],
        height=size[1],
        **start,
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
