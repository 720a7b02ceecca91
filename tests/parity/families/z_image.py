"""A tiny random model of Z-Image, and what diffusers draws with it."""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import Qwen3Config, Qwen3Model

NAME = "z-image"
STARTS = ("noise", "image", "mask")
PROMPTS = ["a red apple", "a fox face, sitting in the snow under a large tree", "a sailboat"]
# guidance, negative prompt, batch, size: any guidance above 0 asks the network twice
PLANS = [(0.0, None, 1, (32, 32)), (1.0, None, 3, (48, 40)), (5.0, "dull", 1, (48, 40))]


def build(folder, *, tokenizer, perturb):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    torch.manual_seed(0)
    parts = {
        "text_encoder": Qwen3Model(
            Qwen3Config(
                vocab_size=tokenizer(folder / "tokenizer", kind="qwen"),
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
                initializer_range=0.2,
            )
        ),
        "transformer": diffusers.ZImageTransformer2DModel(
            in_channels=4,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=16,
            axes_dims=[8, 4, 4],
            axes_lens=[1024, 32, 32],
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
    diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0).save_pretrained(folder / "scheduler")
    return {
        "_class_name": "ZImagePipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen3Model"],
        "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "transformer": ["diffusers", "ZImageTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def reference(pipeline, *, size, batch, guidance, negative, image, steps, mask=None, strength=0.6):
    """Final latents and pictures as diffusers has them."""
    kind = diffusers.ZImagePipeline if image is None else diffusers.ZImageImg2ImgPipeline
    kind = kind if mask is None else diffusers.ZImageInpaintPipeline
    drawer = kind(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
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
        # One for each: diffusers would encode a single one with the first generator alone.
        **({} if image is None else {"image": [image] * batch, "strength": strength}),
        **({} if mask is None else {"mask_image": [mask] * batch}),
    ).images
    with torch.no_grad():
        config = pipeline.vae.config
        decoded = pipeline.vae.decode(latents / config.scaling_factor + config.shift_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
