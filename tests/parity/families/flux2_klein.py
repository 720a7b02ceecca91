"""A tiny random model of FLUX.2 klein, and what diffusers draws with it."""

from __future__ import annotations

import copy

import diffusers
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

NAME = "flux2-klein"
PROMPTS = ["a red apple", "a fox face, sitting in the snow", "a sailboat"]
# guidance, negative prompt, batch, size: diffusers' pipeline takes no negative prompt, and no picture to start from
PLANS = [(1.0, None, 1, (32, 32)), (4.0, None, 3, (48, 40)), (4.0, None, 1, (48, 40))]
STARTS = ("noise",)
_LAYERS = 4


def build(folder, *, tokenizer, perturb):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    torch.manual_seed(0)
    vae = diffusers.AutoencoderKLFlux2(
        sample_size=32,
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
    )
    generator = torch.Generator().manual_seed(1)
    vae.bn.running_mean.copy_(torch.randn(16, generator=generator))
    vae.bn.running_var.copy_(torch.rand(16, generator=generator) + 0.5)
    parts = {
        "text_encoder": Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=tokenizer(folder / "tokenizer", kind="qwen"),
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=_LAYERS,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
                initializer_range=0.2,
                tie_word_embeddings=False,
            )
        ),
        "transformer": diffusers.Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=48,
            timestep_guidance_channels=32,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
        "vae": vae,
    }
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True).save_pretrained(folder / "scheduler")
    return {
        "_class_name": "Flux2KleinPipeline",
        "_diffusers_version": "0.42.1",
        "is_distilled": False,
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen3ForCausalLM"],
        "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "transformer": ["diffusers", "Flux2Transformer2DModel"],
        "vae": ["diffusers", "AutoencoderKLFlux2"],
    }


def reference(pipeline, *, size, batch, guidance, negative, image, steps):  # noqa: ARG001 - it takes neither
    """Final latents, as the transformer gives them, and pictures as diffusers has them."""
    drawer = diffusers.Flux2KleinPipeline(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    seen = []
    images = drawer(
        prompt=PROMPTS[:batch],
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        width=size[0],
        height=size[1],
        text_encoder_out_layers=tuple(_LAYERS * part // 4 for part in (1, 2, 3)),
        callback_on_step_end=lambda _pipeline, _index, _time, values: seen.append(values["latents"]) or values,
    ).images
    tokens = seen[-1]
    side = (size[1] // 4, size[0] // 4)
    return tokens.transpose(1, 2).reshape(batch, -1, *side).numpy(), images
