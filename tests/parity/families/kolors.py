"""A tiny random model of Kolors, and what diffusers draws with it."""

from __future__ import annotations

import copy
import sys
import warnings
from types import SimpleNamespace
from unittest import mock

import diffusers
import torch
from transformers import BatchEncoding

from edgediff_runtimes.text import open_tokenizer

# diffusers' own tokenizer of Kolors is imported with its pipelines, needs a library that is not needed here, and is not
# used: that both give the same ids has its own tests. torch warns of a decorator that they use.
with (
    mock.patch.dict(sys.modules, {"sentencepiece": SimpleNamespace(SentencePieceProcessor=None)}),
    warnings.catch_warnings(),
):
    warnings.simplefilter("ignore", DeprecationWarning)
    from diffusers.pipelines.kolors.pipeline_kolors import KolorsPipeline
    from diffusers.pipelines.kolors.pipeline_kolors_img2img import KolorsImg2ImgPipeline
    from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel

NAME = "kolors"
PROMPTS = ["a red apple", "a fox face, sitting in the snow", "a sailboat"]


def build(folder, *, tokenizer, perturb):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    torch.manual_seed(0)
    text = ChatGLMModel(
        ChatGLMConfig(
            num_layers=2,
            padded_vocab_size=tokenizer(folder / "tokenizer", kind="chatglm"),
            hidden_size=16,
            ffn_hidden_size=24,
            kv_channels=8,
            num_attention_heads=2,
            seq_length=256,
            rmsnorm=True,
            apply_query_key_layer_scaling=True,
            attention_softmax_in_fp32=True,
            add_qkv_bias=True,
            multi_query_attention=True,
            multi_query_group_num=1,
            original_rope=True,
        ),
        empty_init=False,
    )
    for name, parameter in text.named_parameters():
        if "norm" in name:  # memory that was taken and left as it was
            torch.nn.init.ones_(parameter)
    parts = {
        "text_encoder": text,
        "unet": diffusers.UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=12,
            attention_head_dim=(2, 4),
            transformer_layers_per_block=(1, 1),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 16,
            encoder_hid_dim=16,
            encoder_hid_dim_type="text_proj",
        ),
        "vae": diffusers.AutoencoderKL(
            sample_size=32,
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            latent_channels=4,
            scaling_factor=0.13025,
        ),
    }
    for name, module in parts.items():
        perturb(module).save_pretrained(folder / name)
    scheduler = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.014,
        beta_schedule="scaled_linear",
        num_train_timesteps=1100,
        steps_offset=1,
        timestep_spacing="leading",
    )
    scheduler.save_pretrained(folder / "scheduler")
    return {
        "_class_name": "KolorsPipeline",
        "_diffusers_version": "0.42.1",
        "force_zeros_for_empty_prompt": False,
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["kolors", "ChatGLMModel"],
        "tokenizer": ["kolors", "ChatGLMTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


class _Tokenizer:
    """In place of diffusers' own."""

    def __init__(self, folder):
        self.ours = open_tokenizer(folder, kind="chatglm", max_tokens=256)

    def __call__(self, texts, *, max_length, **_):
        encoded = self.ours.encode(texts, lengths=[max_length] * len(texts), side="left")
        values = {
            "input_ids": encoded.ids,
            "attention_mask": encoded.mask,
            "position_ids": (encoded.mask.cumsum(1) - 1).clip(0),
        }
        return BatchEncoding({name: torch.from_numpy(array) for name, array in values.items()})


def load(source):
    """The source in diffusers."""
    classes = {
        "vae": diffusers.AutoencoderKL,
        "text_encoder": ChatGLMModel,
        "unet": diffusers.UNet2DConditionModel,
        "scheduler": diffusers.EulerDiscreteScheduler,
    }
    parts = {name: kind.from_pretrained(source / name) for name, kind in classes.items()}
    return KolorsPipeline(tokenizer=_Tokenizer(source / "tokenizer"), force_zeros_for_empty_prompt=False, **parts)


def reference(pipeline, *, size, batch, guidance, negative, image, steps):
    """Final latents and pictures as diffusers has them."""
    kind = KolorsPipeline if image is None else KolorsImg2ImgPipeline
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
        **({} if image is None else {"image": image, "strength": 0.6}),
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
