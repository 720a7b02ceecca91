"""A tiny random model of SANA, and what diffusers draws with it."""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import Gemma2Config, Gemma2Model

NAME = "sana"
PROMPTS = ["a red apple", "A fox face, sitting in the snow", "a sailboat"]
# guidance, negative prompt, batch, size: diffusers' pipeline takes multiples of 32
PLANS = [(1.0, None, 1, (32, 32)), (4.5, None, 3, (64, 32)), (4.5, "dull", 1, (64, 32))]
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
                num_hidden_layers=1,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
                initializer_range=0.2,
            )
        ),
        "transformer": diffusers.SanaTransformer2DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=1,
            num_cross_attention_heads=2,
            cross_attention_head_dim=8,
            cross_attention_dim=16,
            caption_channels=16,
            sample_size=8,
        ),
        "vae": diffusers.AutoencoderDC(
            latent_channels=4,
            attention_head_dim=4,
            encoder_block_types=("ResBlock", "EfficientViTBlock"),
            decoder_block_types=("ResBlock", "EfficientViTBlock"),
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            encoder_qkv_multiscales=((), (5,)),
            decoder_qkv_multiscales=((), (5,)),
            scaling_factor=0.41407,
        ),
    }
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    scheduler = diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    scheduler.save_pretrained(folder / "scheduler")
    return {
        "_class_name": "SanaPipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        "text_encoder": ["transformers", "Gemma2Model"],
        "tokenizer": ["transformers", "GemmaTokenizer"],
        "transformer": ["diffusers", "SanaTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderDC"],
    }


def reference(pipeline, *, size, batch, guidance, negative, image, steps):  # noqa: ARG001 - it takes no picture
    """Final latents and pictures as diffusers has them."""
    drawer = diffusers.SanaPipeline(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    latents = drawer(
        prompt=PROMPTS[:batch],
        negative_prompt="" if negative is None else [negative] * batch,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
        width=size[0],
        height=size[1],
        use_resolution_binning=False,
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
