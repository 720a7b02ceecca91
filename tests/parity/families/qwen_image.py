"""A tiny random model of Qwen-Image, and what diffusers draws with it."""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

NAME = "qwen-image"
PROMPTS = ["a red apple", "a fox face, sitting in the snow", "a sailboat"]
# guidance, negative prompt, batch, size: without a negative prompt the network is asked once
PLANS = [(1.0, None, 1, (32, 32)), (4.0, "", 3, (48, 40)), (4.0, "dull", 1, (48, 40))]
_TEXT = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "initializer_range": 0.2,
    "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 10_000.0},
}
_EYES = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}


def build(folder, *, tokenizer, perturb):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    torch.manual_seed(0)
    text = {**_TEXT, "vocab_size": tokenizer(folder / "tokenizer", kind="qwen")}
    parts = {
        "text_encoder": Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=_EYES)),
        "transformer": diffusers.QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(8, 4, 4),
        ),
        "vae": diffusers.AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 2],
            num_res_blocks=1,
            temperal_downsample=[False],
            latents_mean=[-0.7, 0.2, -0.9, 0.1],
            latents_std=[2.8, 1.4, 2.3, 2.6],
        ),
    }
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, max_image_seq_len=8192, max_shift=0.9, shift_terminal=0.02
    )
    scheduler.save_pretrained(folder / "scheduler")
    return {
        "_class_name": "QwenImagePipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen2_5_VLForConditionalGeneration"],
        "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "transformer": ["diffusers", "QwenImageTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKLQwenImage"],
    }


def reference(pipeline, *, size, batch, guidance, negative, image, steps):
    """Final latents and pictures as diffusers has them."""
    kind = diffusers.QwenImagePipeline if image is None else diffusers.QwenImageImg2ImgPipeline
    drawer = kind(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    packed = drawer(
        prompt=PROMPTS[:batch],
        negative_prompt=None if negative is None else [negative] * batch,
        num_inference_steps=steps,
        true_cfg_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
        width=size[0],
        height=size[1],
        # One for each: diffusers would encode a single one with the first generator alone.
        **({} if image is None else {"image": [image] * batch, "strength": 0.6}),
    ).images
    latents = drawer._unpack_latents(packed, size[1], size[0], drawer.vae_scale_factor)
    config = pipeline.vae.config
    mean, std = (torch.tensor(numbers).reshape(1, -1, 1, 1, 1) for numbers in (config.latents_mean, config.latents_std))
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / (1.0 / std) + mean).sample
    return latents[:, :, 0].numpy(), pipeline.image_processor.postprocess(decoded[:, :, 0], output_type="pil")
