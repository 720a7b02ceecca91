"""Tiny random models of Hunyuan-DiT 1.1, which is told sizes, and 1.2, and what diffusers draws with them."""

from __future__ import annotations

import diffusers
import torch
from transformers import BertConfig, BertModel, T5Config, T5EncoderModel

NAME = "hunyuan-dit"
VARIANTS = ("-1.1", "-1.2")
PROMPTS = ["A red apple", "a FOX face", "一只小狗"]
# guidance, negative prompt, batch, size: diffusers' pipeline takes a VAE's factor of 8 for granted, hence the sizes
PLANS = [(1.0, None, 1, (64, 64)), (5.0, None, 3, (96, 80)), (5.0, "dull", 1, (64, 112))]
STARTS = ("noise",)
RESCALE = 0.7  # where there is a negative prompt


def build(folder, *, tokenizer, perturb, variant):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    torch.manual_seed(0)
    t5 = T5Config(d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=3, feed_forward_proj="gated-gelu")
    t5.vocab_size = tokenizer(folder / "tokenizer_2", kind="t5")
    parts = {
        "text_encoder": BertModel(
            BertConfig(
                vocab_size=tokenizer(folder / "tokenizer", kind="bert"),
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=80,
                initializer_range=0.2,
            )
        ),
        "text_encoder_2": T5EncoderModel(t5),
        "transformer": diffusers.HunyuanDiT2DModel(
            sample_size=8,
            in_channels=4,
            patch_size=2,
            num_layers=4,  # the first and the last have a connection
            num_attention_heads=2,
            attention_head_dim=8,
            hidden_size=16,
            mlp_ratio=2.0,
            cross_attention_dim=16,
            cross_attention_dim_t5=24,
            pooled_projection_dim=8,
            use_style_cond_and_image_meta_size=variant == "-1.1",
        ),
        "vae": diffusers.AutoencoderKL(
            sample_size=64,
            block_out_channels=(8,) * 4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            norm_num_groups=4,
            latent_channels=4,
            scaling_factor=0.13025,
        ),
    }
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    diffusers.DDPMScheduler(
        beta_start=0.00085,
        beta_end=0.03,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        steps_offset=1,
        clip_sample=False,
    ).save_pretrained(folder / "scheduler")
    return {
        "_class_name": "HunyuanDiTPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDPMScheduler"],
        "text_encoder": ["transformers", "BertModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "BertTokenizer"],
        "tokenizer_2": ["transformers", "T5Tokenizer"],
        "transformer": ["diffusers", "HunyuanDiT2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def options(*, guidance, negative_prompt, variant):
    """Those of our call; the model that is told sizes is told others than it draws."""
    told = {"original_height": 200, "original_width": 300, "crop_left": 8} if variant == "-1.1" else {}
    rescale = RESCALE if negative_prompt else 0.0
    return {"guidance": guidance, "negative_prompt": negative_prompt, "guidance_rescale": rescale, **told}


def reference(pipeline, *, size, batch, guidance, negative, image, steps, variant):  # noqa: ARG001 - it has no image
    """Final latents and pictures as diffusers has them."""
    latents = pipeline(
        prompt=PROMPTS[:batch],
        negative_prompt=[negative or ""] * batch,
        num_inference_steps=steps,
        guidance_scale=guidance,
        guidance_rescale=RESCALE if negative else 0.0,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
        width=size[0],
        height=size[1],
        original_size=(200, 300),
        crops_coords_top_left=(0, 8),
        use_resolution_binning=False,
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
