"""Tiny random models of FLUX.1 dev, schnell and Fill, and what diffusers draws with them."""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

NAME = "flux"
VARIANTS = ("-dev", "-schnell", "-fill")
STARTS = {"-dev": ("noise", "image", "mask"), "-fill": ("mask",)}
PROMPTS = ["a red apple", "a fox face", "a sailboat"]
TOKENS = {"-dev": 512, "-schnell": 256, "-fill": 512}


def build(folder, *, tokenizer, perturb, variant):
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
        "text_encoder_2": T5EncoderModel(
            T5Config(
                d_model=24,
                d_kv=8,
                d_ff=32,
                num_layers=2,
                num_heads=3,
                vocab_size=tokenizer(folder / "tokenizer_2", kind="t5"),
                feed_forward_proj="gated-gelu",
            )
        ),
        "transformer": diffusers.FluxTransformer2DModel(
            in_channels=16 + (16 + 16 if variant == "-fill" else 0),  # latents, a picture's, and pixels of a mask
            out_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=24,
            pooled_projection_dim=16,
            guidance_embeds=variant != "-schnell",
            axes_dims_rope=(4, 4, 8),
        ),
        "vae": diffusers.AutoencoderKL(
            sample_size=32,
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            latent_channels=4,
            scaling_factor=0.3611,
            shift_factor=0.1159,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
    }
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    scheduler = (
        diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
        if variant != "-schnell"
        else diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0)
    )
    scheduler.save_pretrained(folder / "scheduler")
    return {
        "_class_name": "FluxFillPipeline" if variant == "-fill" else "FluxPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def options(*, guidance, negative_prompt, variant):
    """Two models are told a scale; a negative prompt has a scale of its own, and Fill's pipeline takes none."""
    if variant == "-fill":
        return {"guidance": guidance}
    return {
        "guidance": guidance if variant == "-dev" else None,
        "negative_prompt": negative_prompt,
        "true_guidance": None if negative_prompt is None else guidance,
    }


def reference(pipeline, *, size, batch, guidance, negative, image, steps, variant, mask=None, strength=0.6):
    """Final latents and pictures as diffusers has them."""
    kind = diffusers.FluxPipeline if image is None else diffusers.FluxImg2ImgPipeline
    if mask is not None:
        kind = diffusers.FluxFillPipeline if variant == "-fill" else diffusers.FluxInpaintPipeline
    drawer = kind(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    # A picture for each: of one for all, diffusers draws latents once, so that the second depends on the first's seed.
    start = {} if image is None else {"image": [image] * batch, "strength": strength}
    start |= {} if mask is None else {"mask_image": [mask] * batch}
    if variant != "-fill":
        start |= {
            "negative_prompt": None if negative is None else [negative] * batch,
            "true_cfg_scale": guidance,
        }
    packed = drawer(
        prompt=PROMPTS[:batch],
        num_inference_steps=steps,
        guidance_scale=guidance,
        max_sequence_length=TOKENS[variant],
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
        width=size[0],
        height=size[1],
        **start,
    ).images
    latents = drawer._unpack_latents(packed, size[1], size[0], drawer.vae_scale_factor)
    with torch.no_grad():
        config = pipeline.vae.config
        decoded = pipeline.vae.decode(latents / config.scaling_factor + config.shift_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
