"""Tiny random models of Stable Diffusion XL and what diffusers draws with them: the base, alone and before the refiner,
and one that draws into pictures.
"""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

NAME = "stable-diffusion-xl"
VARIANTS = ("", "-refiner", "-inpainting")
STARTS = {"": ("noise", "image", "mask"), "-inpainting": ("mask",)}
STEPS = 6
REFINER_START = 0.7
PROMPTS = ["a red apple", "a fox face", "a sailboat"]


def build(folder, *, tokenizer, perturb, variant=""):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    torch.manual_seed(0)
    vocabulary = tokenizer(folder / "tokenizer")
    tokenizer(folder / "tokenizer_2")
    common = {
        "intermediate_size": 32,
        "num_attention_heads": 2,
        "max_position_embeddings": 24,
        "vocab_size": vocabulary,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }
    parts = {
        "text_encoder": CLIPTextModel(CLIPTextConfig(hidden_size=16, num_hidden_layers=2, **common)),
        "text_encoder_2": CLIPTextModelWithProjection(
            CLIPTextConfig(hidden_size=24, num_hidden_layers=3, projection_dim=12, hidden_act="gelu", **common)
        ),
        "unet": diffusers.UNet2DConditionModel(
            sample_size=16,
            in_channels=9 if variant == "-inpainting" else 4,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=40,
            attention_head_dim=(2, 4),
            transformer_layers_per_block=(1, 2),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 12,
        ),
        "vae": diffusers.AutoencoderKL(
            sample_size=32,
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            latent_channels=4,
            scaling_factor=0.13025,
        ),
    }
    if variant == "-refiner":
        told = {"cross_attention_dim": 24, "projection_class_embeddings_input_dim": 5 * 8 + 12}
        parts["refiner_unet"] = diffusers.UNet2DConditionModel.from_config({**parts["unet"].config, **told})
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    scheduler = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"
    )
    scheduler.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": f"StableDiffusionXL{'Inpaint' if variant == '-inpainting' else ''}Pipeline",
        "_diffusers_version": "0.42.1",
        "force_zeros_for_empty_prompt": True,
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    if variant == "-refiner":
        index["refiner_unet"] = index["unet"]
    return index


def load(folder, *, variant=""):
    """The base in diffusers, with the refiner's pipeline as its ``refiner`` where there is one."""
    base = diffusers.DiffusionPipeline.from_pretrained(folder, add_watermarker=False)
    if variant == "-refiner":
        base.refiner = diffusers.StableDiffusionXLImg2ImgPipeline(
            vae=base.vae,
            text_encoder=None,
            text_encoder_2=base.text_encoder_2,
            tokenizer=None,
            tokenizer_2=base.tokenizer_2,
            unet=diffusers.UNet2DConditionModel.from_pretrained(folder / "refiner_unet"),
            scheduler=copy.deepcopy(base.scheduler),
            requires_aesthetics_score=True,
            force_zeros_for_empty_prompt=False,
            add_watermarker=False,
        )
        base.refiner.set_progress_bar_config(disable=True)
    return base


def options(*, guidance, negative_prompt, variant=""):
    """Where the refiner takes over, if there is one."""
    asked = {"guidance": guidance, "negative_prompt": negative_prompt}
    return asked | ({"refiner_start": REFINER_START} if variant == "-refiner" else {})


def reference(pipeline, *, size, batch, guidance, negative, image, steps, mask=None, strength=0.6, variant=""):
    """Final latents and pictures as diffusers has them."""
    kind = diffusers.StableDiffusionXLPipeline if image is None else diffusers.StableDiffusionXLImg2ImgPipeline
    kind = kind if mask is None else diffusers.StableDiffusionXLInpaintPipeline
    drawer = kind(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    drawer.watermark = None
    sizes = {"width": size[0], "height": size[1]} if image is None or mask is not None else {}
    sizes |= {} if image is None else {"image": [image.resize(size)] * batch, "strength": strength}
    sizes |= {} if mask is None else {"mask_image": [mask] * batch}
    common = {
        "prompt": PROMPTS[:batch],
        "negative_prompt": None if negative is None else [negative] * batch,
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "generator": [torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        "output_type": "latent",
    }
    latents = drawer(**common, **sizes, denoising_end=REFINER_START if variant == "-refiner" else None).images
    if variant == "-refiner":
        latents = pipeline.refiner(**common, image=latents, denoising_start=REFINER_START).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
