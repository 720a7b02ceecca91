"""Stable Diffusion XL: base, what was distilled from it (Turbo, Lightning, LCM), and the refiner, alone or behind it.

Podell et al. 2023, "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis". Order of draws and
numbers: those of diffusers' StableDiffusionXLPipeline, StableDiffusionXLImg2ImgPipeline and
StableDiffusionXLInpaintPipeline, and of StableDiffusionXLInstructPix2PixPipeline, for CosXL's edits as well; base and
refiner in one call share one schedule, as with their ``denoising_end`` and ``denoising_start`` (Balaji et al. 2022,
"eDiff-I", an ensemble of experts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.edits import beside, edit_guidance, edit_tasks, edits
from edgediff_runtimes.families.few_steps import doubts, steps_and_guidance
from edgediff_runtimes.families.latents import INPAINTING, TASKS, picture_result, picture_tasks, seen, tiny_result
from edgediff_runtimes.recipe.declarations import Affine, Graph, Join, Sinusoid, Sizes, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Schedule, Space, Stage
from edgediff_runtimes.untrusted.bounds import CHANNELS

_SAMPLE_SIZE = 128  # of the base model, for configs that do not say
# Each text encoder with its tokenizer; the refiner has the second alone.
_ENCODERS = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2"}
_REFINER = "refiner_unet"
_REFINER_START = "refiner_start"
# Height before width, as the network was told in training.
_SEEN = ("original_height", "original_width", "crop_top", "crop_left")
_TARGET = ("target_height", "target_width")
_NOT_GIVEN: dict[str, str | float] = {
    "original_height": "height",
    "original_width": "width",
    "crop_top": 0.0,
    "crop_left": 0.0,
    "target_height": "height",
    "target_width": "width",
    "aesthetic_score": 6.0,
    "negative_aesthetic_score": 2.5,
}
_NUMBERS, _NUMBERS_WITH_SCORE = 6, 5
_OWN = Schedule(default_strength=0.3, inpaint_strength=0.9999)  # of diffusers' pipelines


def recipe(configs: Configs) -> Recipe:
    """Text encoders side by side, one U-Net that is told sizes, one VAE; and the refiner's U-Net where there is one."""
    encoders = tuple(name for name in _ENCODERS if configs.has(name)) or tuple(_ENCODERS)
    tasks = _edit_tasks(configs) if edits(configs, "unet") else picture_tasks(configs, "unet")
    if "text_encoder" not in encoders:  # the refiner alone, which was taught the last noise levels only
        tasks = {task: parts for task, parts in tasks.items() if task != TASKS[0]}
    zeros = bool(configs.index.get("force_zeros_for_empty_prompt", True))
    if not configs.has(_REFINER):
        return Recipe((_stage(configs, "base", "unet", encoders, tasks, zeros=zeros),))
    # Where the refiner goes on, nothing holds the known part any more.
    tasks = {task: parts for task, parts in tasks.items() if task not in INPAINTING}
    first = _stage(configs, "base", "unet", encoders, tasks, zeros=zeros)
    second = _stage(
        configs,
        "refiner",
        _REFINER,
        ("text_encoder_2",),
        dict.fromkeys(tasks, (Affine("stage:base", "sample"),)),
        zeros=bool(configs.index.get("refiner_force_zeros_for_empty_prompt", False)),
    )
    return Recipe(
        (
            replace(first, schedule=replace(_OWN, until=_REFINER_START, share=0.8)),
            replace(second, schedule=replace(_OWN, since=_REFINER_START, share=0.8)),
        )
    )


def _stage(
    configs: Configs,
    name: str,
    unet: str,
    encoders: tuple[str, ...],
    tasks: dict[str, tuple[Part, ...]],
    *,
    zeros: bool,
) -> Stage:
    texts: list[Part] = [Tokens(_ENCODERS[encoder], f"{encoder}_ids") for encoder in encoders]
    for encoder in encoders:
        # The last layer but one: states are counted from the embeddings on.
        last = configs.of(encoder).integer("num_hidden_layers", minimum=1) - 1
        takes = {f"hidden_states.{last}": f"{encoder}_states" if len(encoders) > 1 else "text"}
        if encoder == "text_encoder_2":
            takes["text_embeds"] = "pooled"
        texts.append(Graph(encoder, {"input_ids": f"{encoder}_ids"}, takes))
    if len(encoders) > 1:
        texts.append(Join(tuple(f"{encoder}_states" for encoder in encoders), "text", -1))
    pooled = configs.of("text_encoder_2").values.get("projection_dim")
    return sized_stage(configs, name, unet, (*texts, _told(configs.of(unet).values, pooled)), tasks, zeros=zeros)


def sized_stage(
    configs: Configs,
    name: str,
    unet: str,
    conditions: tuple[Part, ...],
    tasks: dict[str, tuple[Part, ...]],
    *,
    zeros: bool,
) -> Stage:
    """A stage whose U-Net is told sizes.

    Args:
        configs: The model's.
        name: The stage's name.
        unet: The U-Net's folder.
        conditions: What writes ``text``, ``pooled`` and ``sizes``.
        tasks: What each task begins with.
        zeros: Whether no negative prompt is zeros, and not an empty text.
    """
    given, editing = list(conditions), edits(configs, unet)
    looks, sample = seen(configs, unet)
    feeds = {"sample": sample, "timestep": "t", "encoder_hidden_states": "text", "text_embeds": "pooled"}
    feeds["time_ids"] = "sizes"
    distilled = configs.of(unet).values.get("time_cond_proj_dim")
    if distilled:
        dim = configs.of(unet).integer("time_cond_proj_dim", minimum=4, bound=CHANNELS)
        given.append(Sinusoid("guidance", "scale", dim, shift=-1.0, scale=1000.0))
        feeds["timestep_cond"] = "scale"
    network, zeroed = Graph(unet, feeds, {"out_sample": "prediction"}), ("text", "pooled") if zeros else ()
    guidance = edit_guidance(zeros=zeroed) if editing else Guidance(zeros=zeroed)
    return Stage(
        name=name,
        space=Space(configs.channels(), factor=configs.vae_factor()),
        given=tuple(given),
        tasks=tasks,
        network=beside(network) if editing else (*looks, network),
        result=picture_result(configs),
        tiny=tiny_result(configs),
        guidance=None if distilled else guidance,
        schedule=_OWN,
    )


def _edit_tasks(configs: Configs) -> dict[str, tuple[Part, ...]]:
    """CosXL was taught with scaled latents of the picture, InstructPix2Pix was not."""
    return edit_tasks(configs, scaling=configs.scaling()[0] if configs.index.get("is_cosxl_edit") else 1.0)


def sizes() -> Sizes:
    """Original size, crop and the size of the picture."""
    return Sizes("sizes", _SEEN + _TARGET, defaults={name: _NOT_GIVEN[name] for name in _SEEN + _TARGET})


def _told(unet: Mapping[str, Any], pooled: object) -> Sizes:
    """Original size and crop; then the size of the picture, or how well people liked it."""
    if size_numbers(unet, pooled) == _NUMBERS:
        return sizes()
    fields = (*_SEEN, "aesthetic_score")
    # As in diffusers, a crop is told of the prompt and not of the negative one.
    negative = (*_SEEN[:2], 0.0, 0.0, "negative_aesthetic_score")
    defaults = {name: _NOT_GIVEN[name] for name in (*fields, "negative_aesthetic_score")}
    return Sizes("sizes", fields, negative, defaults)


def size_numbers(unet: Mapping[str, Any], pooled: object) -> int:
    """How many numbers a U-Net is told beside the text: six, or five with an aesthetic score.

    Its config says how wide they and the pooled text are together; configs that leave it out are taken for the base's.

    Args:
        unet: The U-Net's config.
        pooled: How wide the pooled text is, as far as the text encoder's config says it.
    """
    together, each = unet.get("projection_class_embeddings_input_dim"), unet.get("addition_time_embed_dim")
    if not (isinstance(together, int) and isinstance(each, int) and isinstance(pooled, int)):
        return _NUMBERS
    return _NUMBERS_WITH_SCORE if together == _NUMBERS_WITH_SCORE * each + pooled else _NUMBERS


def defaults(configs: Configs) -> Defaults:
    """The size it was trained at; few steps where a sampler of distilled models comes with it."""
    width, height = configs.trained_size("unet", default=_SAMPLE_SIZE, factor=configs.vae_factor())
    steps, guidance = steps_and_guidance(configs, "unet", usual=(30, 5.0), embedded=(4, 8.0))
    return Defaults(steps=steps, guidance=guidance, width=width, height=height)


STABLE_DIFFUSION_XL = Family(
    name="stable-diffusion-xl",
    pipelines=(
        "StableDiffusionXLPipeline",
        "StableDiffusionXLImg2ImgPipeline",
        "StableDiffusionXLInpaintPipeline",
        "StableDiffusionXLInstructPix2PixPipeline",
        "StableDiffusionXLControlNetPipeline",
        "StableDiffusionXLAdapterPipeline",
    ),
    recipe=recipe,
    defaults=defaults,
    doubts=lambda configs: doubts(configs, "unet"),
    small_decoder=True,
)
