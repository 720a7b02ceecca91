"""A tiny random model of Lumina Image 2.0, and what diffusers draws with it."""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import Gemma2Config, Gemma2Model

NAME = "lumina2"
PROMPTS = ["a red apple", "a fox face, sitting in the snow under a large tree", "a sailboat"]
# guidance, negative prompt, batch, size: diffusers' pipeline takes a VAE's factor of 8 for granted, hence the sizes
PLANS = [(1.0, None, 1, (64, 64)), (4.0, None, 3, (96, 80)), (4.0, "dull", 1, (96, 80))]
STARTS = ("noise",)


def build(folder, *, tokenizer, perturb):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    torch.manual_seed(0)
    parts = {
        "text_encoder": Gemma2Model(
            Gemma2Config(
                vocab_size=tokenizer(folder / "tokenizer", kind="gemma"),
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
                initializer_range=0.2,
            )
        ),
        "transformer": diffusers.Lumina2Transformer2DModel(
            sample_size=8,
            in_channels=4,
            hidden_size=24,
            num_layers=1,
            num_refiner_layers=1,
            num_attention_heads=2,
            num_kv_heads=1,
            multiple_of=8,
            axes_dim_rope=(4, 4, 4),
            axes_lens=(300, 32, 32),
            cap_feat_dim=16,
        ),
        "vae": diffusers.AutoencoderKL(
            sample_size=64,
            block_out_channels=(8,) * 4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
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
    diffusers.FlowMatchEulerDiscreteScheduler(shift=6.0).save_pretrained(folder / "scheduler")
    return {
        "_class_name": "Lumina2Pipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Gemma2Model"],
        "tokenizer": ["transformers", "GemmaTokenizer"],
        "transformer": ["diffusers", "Lumina2Transformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def reference(pipeline, *, size, batch, guidance, negative, image, steps):  # noqa: ARG001 - it takes no picture
    """Final latents and pictures as diffusers has them."""
    drawer = diffusers.Lumina2Pipeline(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    latents = drawer(
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
        config = pipeline.vae.config
        decoded = pipeline.vae.decode(latents / config.scaling_factor + config.shift_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
