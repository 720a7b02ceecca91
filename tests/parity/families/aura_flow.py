"""A tiny random AuraFlow, and what diffusers draws with it."""

from __future__ import annotations

import diffusers
import torch
from transformers import UMT5Config, UMT5EncoderModel

NAME = "aura-flow"
PROMPTS = ["a red apple", "a fox face", "a sailboat"]
STARTS = ("noise",)


def build(folder, *, tokenizer, perturb):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    torch.manual_seed(0)
    t5 = UMT5Config(d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=3, feed_forward_proj="gated-gelu")
    t5.vocab_size = tokenizer(folder / "tokenizer", kind="llama")
    parts = {
        "text_encoder": UMT5EncoderModel(t5),
        "transformer": diffusers.AuraFlowTransformer2DModel(
            sample_size=16,
            in_channels=4,
            num_mmdit_layers=1,
            num_single_dit_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=24,
            caption_projection_dim=16,
            pos_embed_max_size=144,
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
    diffusers.FlowMatchEulerDiscreteScheduler(shift=1.73).save_pretrained(folder / "scheduler")
    return {
        "_class_name": "AuraFlowPipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "LlamaTokenizerFast"],
        "transformer": ["diffusers", "AuraFlowTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def reference(pipeline, *, size, batch, guidance, negative, image, steps):  # noqa: ARG001 - it has no image
    """Final latents and pictures as diffusers has them."""
    latents = pipeline(
        prompt=PROMPTS[:batch],
        negative_prompt=None if negative is None else [negative] * batch,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
        width=size[0],
        height=size[1],
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
