"""A tiny random model of InstructPix2Pix, and what diffusers draws with it."""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import CLIPTextConfig, CLIPTextModel

NAME = "stable-diffusion"
VARIANTS = ("-edit",)
PROMPTS = ["make it snow", "turn it blue", "as a drawing"]
STARTS = ("image",)
PICTURE_OPTIONS = {}
IMAGE_GUIDANCE = 2.0


def build(folder, *, tokenizer, perturb, variant):  # noqa: ARG001 - there is one
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
                max_position_embeddings=24,
                vocab_size=vocabulary,
                bos_token_id=vocabulary - 2,
                eos_token_id=vocabulary - 1,
                pad_token_id=vocabulary - 1,
            )
        ),
        "unet": diffusers.UNet2DConditionModel(
            sample_size=16,
            in_channels=8,
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
        ),
    }
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    scheduler = diffusers.EulerAncestralDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"
    )
    scheduler.save_pretrained(folder / "scheduler")
    return {
        "_class_name": "StableDiffusionInstructPix2PixPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "EulerAncestralDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def options(*, guidance, negative_prompt, variant):  # noqa: ARG001 - there is one
    """The picture has a scale of its own where the run is guided."""
    scale = IMAGE_GUIDANCE if guidance > 1 else None
    return {"guidance": guidance, "negative_prompt": negative_prompt, "image_guidance": scale}


def reference(pipeline, *, size, batch, guidance, negative, image, steps, variant):  # noqa: ARG001 - as above
    """Final latents and pictures as diffusers has them."""
    drawer = diffusers.StableDiffusionInstructPix2PixPipeline(
        **{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)}, requires_safety_checker=False
    )
    drawer.set_progress_bar_config(disable=True)
    latents = drawer(
        prompt=PROMPTS[:batch],
        image=[image] * batch,
        negative_prompt=None if negative is None else [negative] * batch,
        num_inference_steps=steps,
        guidance_scale=guidance,
        image_guidance_scale=IMAGE_GUIDANCE,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
