"""Tiny random models of Qwen-Image-Edit, of one picture and of several, and what diffusers draws with them."""

from __future__ import annotations

import copy
import math
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import diffusers
import torch
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus
from drawn_by_families import module_of
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
)

BASE = module_of(Path(__file__).with_name("qwen_image.py"))
NAME = "qwen-image-edit"
VARIANTS = ("", "-plus")
PROMPTS = ["make it snow", "turn it blue"]
# guidance, negative prompt, batch, size of the picture and of the run
PLANS = [(1.0, None, 1, (32, 32)), (4.0, "dull", 2, (48, 40))]
STARTS = ("image",)
PICTURE_OPTIONS = {}
SIZED = True
STEPS = 2
_LOUDER = 20.0
_EYES = {
    "depth": 3,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_heads": 2,
    "out_hidden_size": 16,
    "window_size": 56,
    "fullatt_block_indexes": [1],
    "initializer_range": 0.2,
}


def build(folder, *, tokenizer, perturb, variant=""):
    """Write the source. ``tokenizer`` writes one and gives its size, ``perturb`` moves what is constant."""
    index = BASE.build(folder, tokenizer=lambda place, kind: tokenizer(place, kind=f"{kind}-vl"), perturb=perturb)
    torch.manual_seed(1)
    words = Qwen2Tokenizer.from_pretrained(folder / "tokenizer")
    config = Qwen2_5_VLConfig(
        text_config={**BASE._TEXT, "vocab_size": len(words)},
        vision_config=_EYES,
        image_token_id=words.convert_tokens_to_ids("<|image_pad|>"),
    )
    perturb(Qwen2_5_VLForConditionalGeneration(config)).save_pretrained(folder / "text_encoder")
    Qwen2VLImageProcessorPil().save_pretrained(folder / "processor")
    transformer = diffusers.QwenImageTransformer2DModel.from_pretrained(folder / "transformer")
    with torch.no_grad():
        for block in transformer.transformer_blocks:  # else what the text encoder sees hardly counts
            block.attn.add_v_proj.weight.mul_(_LOUDER)
    transformer.register_to_config(zero_cond_t=bool(variant))  # as the latest of these editions
    transformer.save_pretrained(folder / "transformer")
    name = "QwenImageEditPlusPipeline" if variant else "QwenImageEditPipeline"
    return {**index, "_class_name": name, "processor": ["transformers", "Qwen2VLProcessor"]}


def load(folder, variant=""):  # noqa: ARG001 - both are loaded alike
    """The source in diffusers, whose processor transformers loads beside torchvision alone."""
    words = Qwen2Tokenizer.from_pretrained(folder / "tokenizer")
    images = Qwen2VLImageProcessorPil.from_pretrained(folder / "processor")
    with patch.object(Qwen2VLProcessor, "check_argument_for_proper_class", lambda *_: None):
        processor = Qwen2VLProcessor(images, words, None)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, processor=processor)
    pipeline.text_encoder.register_forward_pre_hook(_told_of_pictures, with_kwargs=True)
    return pipeline


def _told_of_pictures(module, args, kwargs):
    """What diffusers 0.42.1 leaves out and transformers 5 needs to find a picture's rows and columns."""
    pictures = (kwargs["input_ids"] == module.config.image_token_id).int()
    return args, {**kwargs, "mm_token_type_ids": pictures}


@contextmanager
def _smaller(size):
    """With pictures of the run's size, where diffusers has a megapixel."""
    side = round(math.sqrt(size[0] * size[1]) / 32) * 32
    with (
        patch.object(pipeline_qwenimage_edit, "calculate_dimensions", lambda *_: (*size, None)),
        patch.object(pipeline_qwenimage_edit_plus, "VAE_IMAGE_SIZE", side**2),
    ):
        yield


def reference(pipeline, *, size, batch, guidance, negative, image, steps, variant=""):
    """Final latents and pictures as diffusers has them; it takes one prompt for several pictures."""
    drawer = type(pipeline)(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    calls = [[index] for index in range(batch)] if variant else [[*range(batch)]]
    packed = []
    for indices in calls:
        with _smaller(size):
            drawn = drawer(
                image=image if variant else [image] * batch,
                prompt=[PROMPTS[index] for index in indices],
                negative_prompt=None if negative is None else [negative] * len(indices),
                num_inference_steps=steps,
                true_cfg_scale=guidance,
                generator=[torch.Generator("cpu").manual_seed(7 + index) for index in indices],
                output_type="latent",
                width=size[0],
                height=size[1],
            ).images
        packed.append(drawn)
    latents = drawer._unpack_latents(torch.cat(packed), size[1], size[0], drawer.vae_scale_factor)
    config = pipeline.vae.config
    mean, std = (torch.tensor(numbers).reshape(1, -1, 1, 1, 1) for numbers in (config.latents_mean, config.latents_std))
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / (1.0 / std) + mean).sample
    return latents[:, :, 0].numpy(), pipeline.image_processor.postprocess(decoded[:, :, 0], output_type="pil")
