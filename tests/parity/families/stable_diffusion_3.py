"""Tiny random models of Stable Diffusion 3 and 3.5, with T5 and without, and what diffusers draws with them."""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

NAME = "stable-diffusion-3"
VARIANTS = ("-3.5", "-without-t5")
STARTS = {"-without-t5": ("noise", "image", "mask")}
PROMPTS = ["a red apple", "a fox face", "a sailboat"]
CLIP_TOKENS = 20  # of `write_tokenizer`


def build(folder, *, tokenizer, perturb, variant):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    torch.manual_seed(0)
    newer, has_t5 = variant == "-3.5", variant != "-without-t5"
    channels = 4 if newer else 16  # with which alone diffusers draws into pictures
    vocabulary = tokenizer(folder / "tokenizer")
    tokenizer(folder / "tokenizer_2")
    common = {
        "intermediate_size": 32,
        "num_attention_heads": 2,
        "max_position_embeddings": CLIP_TOKENS,
        "vocab_size": vocabulary,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }
    parts = {
        "text_encoder": CLIPTextModelWithProjection(
            CLIPTextConfig(hidden_size=16, num_hidden_layers=2, projection_dim=16, **common)
        ),
        "text_encoder_2": CLIPTextModelWithProjection(
            CLIPTextConfig(hidden_size=12, num_hidden_layers=3, projection_dim=12, hidden_act="gelu", **common)
        ),
        "transformer": diffusers.SD3Transformer2DModel(
            sample_size=16,
            in_channels=channels,
            out_channels=channels,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=32,
            caption_projection_dim=16,
            pooled_projection_dim=28,
            pos_embed_max_size=12,
            dual_attention_layers=(0,) if newer else (),
            qk_norm="rms_norm" if newer else None,
        ),
        "vae": diffusers.AutoencoderKL(
            sample_size=32,
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            latent_channels=channels,
            scaling_factor=1.5305,
            shift_factor=0.0609,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
    }
    if has_t5:
        t5 = T5Config(d_model=32, d_kv=8, d_ff=32, num_layers=2, num_heads=3, feed_forward_proj="gated-gelu")
        t5.vocab_size = tokenizer(folder / "tokenizer_3", kind="t5")
        parts["text_encoder_3"] = T5EncoderModel(t5)
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0).save_pretrained(folder / "scheduler")
    return {
        "_class_name": "StableDiffusion3Pipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "text_encoder_3": ["transformers", "T5EncoderModel"] if has_t5 else [None, None],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "tokenizer_3": ["transformers", "T5TokenizerFast"] if has_t5 else [None, None],
        "transformer": ["diffusers", "SD3Transformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def load(folder, *, variant):
    """The source in diffusers, which wants to be told what is not there."""
    missing = {} if variant == "-3.5" else {"text_encoder_3": None, "tokenizer_3": None}
    return diffusers.StableDiffusion3Pipeline.from_pretrained(folder, **missing)


def reference(
    pipeline,
    *,
    size,
    batch,
    guidance,
    negative,
    image,
    steps,
    variant,  # noqa: ARG001 - it is loaded
    mask=None,
    strength=0.6,
):
    """Final latents and pictures as diffusers has them."""
    kind = diffusers.StableDiffusion3Pipeline if image is None else diffusers.StableDiffusion3Img2ImgPipeline
    kind = kind if mask is None else diffusers.StableDiffusion3InpaintPipeline
    drawer = kind(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    # A picture for each: of one for all, diffusers draws latents once, so that the second depends on the first's seed.
    start = {} if image is None else {"image": [image] * batch, "strength": strength}
    start |= {} if mask is None else {"mask_image": [mask] * batch}
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
        config = pipeline.vae.config
        decoded = pipeline.vae.decode(latents / config.scaling_factor + config.shift_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
