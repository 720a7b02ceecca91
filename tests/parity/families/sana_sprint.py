"""A tiny random model of SANA-Sprint, and what diffusers draws with it."""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import Gemma2Config, Gemma2Model

NAME = "sana-sprint"
PROMPTS = ["a red apple", "A fox face, sitting in the snow", "a sailboat"]
# guidance, negative prompt, batch, size: diffusers' pipelines take multiples of 32, and no negative prompt
PLANS = [(1.0, None, 1, (32, 32)), (4.5, None, 3, (64, 32))]


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
            guidance_embeds=True,
            qk_norm="rms_norm_across_heads",
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
    diffusers.SCMScheduler().save_pretrained(folder / "scheduler")
    return {
        "_class_name": "SanaSprintPipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "SCMScheduler"],
        "text_encoder": ["transformers", "Gemma2Model"],
        "tokenizer": ["transformers", "GemmaTokenizer"],
        "transformer": ["diffusers", "SanaTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderDC"],
    }


def options(*, guidance, negative_prompt):  # noqa: ARG001 - it takes no negative prompt
    """What a caller of ours says for a plan."""
    return {"guidance": guidance}


def reference(pipeline, *, size, batch, guidance, negative, image, steps):  # noqa: ARG001 - it takes no negative prompt
    """Final latents, as wide as the sampler's samples, and pictures as diffusers has them."""
    kind = diffusers.SanaSprintPipeline if image is None else diffusers.SanaSprintImg2ImgPipeline
    drawer = kind(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    latents = drawer(
        prompt=PROMPTS[:batch],
        num_inference_steps=steps,
        intermediate_timesteps=None,  # what it takes for two steps alone
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
        width=size[0],
        height=size[1],
        use_resolution_binning=False,
        **({} if image is None else {"image": image, "strength": 0.6}),
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return (
        (latents * pipeline.scheduler.config.sigma_data).numpy(),
        pipeline.image_processor.postprocess(decoded, output_type="pil"),
    )
