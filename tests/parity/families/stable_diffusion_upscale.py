"""A tiny random x4 upscaler, and what diffusers draws with it."""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import CLIPTextConfig, CLIPTextModel

NAME = "stable-diffusion-upscale"
PROMPTS = ["a red apple", "a fox face", "a sailboat"]
FROM_NOISE, PICTURE_OPTIONS = False, {}
NOISE_LEVEL = 30
# guidance, negative prompt, batch, size of the small picture
PLANS = [(1.0, None, 1, (16, 20)), (5.0, None, 3, (22, 16)), (5.0, "dull", 1, (24, 16))]


def build(folder, *, tokenizer, perturb):
    """Write the source."""
    torch.manual_seed(0)
    vocabulary = tokenizer(folder / "tokenizer")
    parts = {
        "text_encoder": CLIPTextModel(
            CLIPTextConfig(
                hidden_size=16,
                num_hidden_layers=2,
                intermediate_size=32,
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
            in_channels=7,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
            attention_head_dim=4,
            num_class_embeds=1000,
            use_linear_projection=True,
        ),
        "vae": diffusers.AutoencoderKL(
            sample_size=32,
            block_out_channels=(8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            norm_num_groups=4,
            latent_channels=4,
            scaling_factor=0.08333,
        ),
    }
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2").save_pretrained(folder / "low_res_scheduler")
    scheduler = diffusers.DDIMScheduler(
        beta_start=0.0001,
        beta_end=0.02,
        beta_schedule="scaled_linear",
        clip_sample=False,
        prediction_type="v_prediction",
        set_alpha_to_one=False,
        steps_offset=1,
    )
    scheduler.save_pretrained(folder / "scheduler")
    return {
        "_class_name": "StableDiffusionUpscalePipeline",
        "_diffusers_version": "0.42.1",
        "low_res_scheduler": ["diffusers", "DDPMScheduler"],
        "max_noise_level": 350,
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "watermarker": [None, None],
    }


def options(*, guidance, negative_prompt):
    """More noise than where nothing is said."""
    return {"guidance": guidance, "negative_prompt": negative_prompt, "noise_level": NOISE_LEVEL}


def reference(pipeline, *, size, batch, guidance, negative, image, steps):  # noqa: ARG001 - the picture has its size
    """Final latents and pictures as diffusers has them."""
    drawer = type(pipeline)(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    latents = drawer(
        PROMPTS[:batch],
        image=[image] * batch,
        noise_level=NOISE_LEVEL,
        negative_prompt=None if negative is None else [negative] * batch,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
