"""Qwen-Image-Edit, of one picture, and its later editions, of several.

Qwen Team 2025, "Qwen-Image Technical Report", section 5. Order of draws and numbers: those of diffusers'
QwenImageEditPipeline and QwenImageEditPlusPipeline. The places of the text encoder's tokens are Qwen2.5-VL's own, which
both pipelines leave out beside transformers 5 (https://github.com/huggingface/diffusers/issues/14194).
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.edits import TASK, beside_tokens
from edgediff_runtimes.families.qwen_image import channels_of, factor_of, latents_result, numbers_of
from edgediff_runtimes.families.texts import state_of
from edgediff_runtimes.fields import is_finite
from edgediff_runtimes.recipe.declarations import (
    Affine,
    Cut,
    Graph,
    GridIds,
    Join,
    Noise,
    Patches,
    Pick,
    Picture,
    PictureTextIds,
    Repeat,
    Tokens,
    Unpatches,
    WindowPatches,
)
from edgediff_runtimes.recipe.declarations.control import CLIP_MEAN, CLIP_STD
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import RGB_CHANNELS, Guidance, Recipe, Schedule, Space, Stage
from edgediff_runtimes.recipe.wires import SEVERAL

_PLUS = "QwenImageEditPlusPipeline"
_TOKENS = 1024
_HEAD = 64  # tokens that the template has before the pictures
_TEMPLATE = (
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, "
    "background), then explain how the user's text instruction should alter or modify the image. Generate a new image "
    "that meets the user's requirements while maintaining consistency with the original input where appropriate."
    "<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
_PICTURE, _NUMBERED = "<|vision_start|><|image_pad|><|vision_end|>", "Picture {}: "
_PATCH = 2
_AXES = 3
_TRAIN_TIMESTEPS = 1000.0
_SIDE = 1024  # of a picture with as many pixels as the models were trained with
_SEEN = 384  # likewise, of one that the text encoder of the later editions looks at
_PIXELS = 56**2, 28**2 * 1280  # of a picture at least and at most, where the processor's config does not say
_ROUNDED = 32  # pixels of which diffusers makes the sides multiples


def recipe(configs: Configs) -> Recipe:
    """A language model's states of pictures and a description, a transformer over latents beside theirs, one VAE."""
    token, several = _PATCH * factor_of(configs), configs.class_name == _PLUS
    feeds = {
        "hidden_states": "tokens",
        "timestep": "time",
        "encoder_hidden_states": "text",
        "encoder_hidden_states_mask": "text_mask",
        "img_ids": "places",
    }
    stage = Stage(
        name="base",
        space=Space(channels_of(configs), factor=factor_of(configs), multiple=token, area=_SIDE**2, rounded=_ROUNDED),
        given=(
            *_text(configs, several=several),
            GridIds("own_places", _AXES, token, centred=True),
        ),
        tasks={
            f"{TASK}-{count}" if count > 1 else TASK: _edit(configs, count, several=several)
            for count in range(1, len(SEVERAL) + 1 if several else 2)
        },
        network=(
            Patches("x", "tokens", _PATCH),
            Affine("t_rows", "time", over=_TRAIN_TIMESTEPS),
            *beside_tokens(Graph("transformer", feeds, {"out_hidden_states": "velocity"})),
            Unpatches("velocity", "prediction", "x", _PATCH),
        ),
        result=latents_result(configs),
        guidance=Guidance(negative=True, norm=1, norm_patch=_PATCH),
        schedule=Schedule(linear=True, shift="linear", token=token),
    )
    return Recipe((stage,))


def _text(configs: Configs, *, several: bool) -> tuple[Part, ...]:
    """States of the pictures and of what stands behind them."""
    seeing = configs.of("text_encoder").fields("vision_config")
    patch, merge = (seeing.integer(name, minimum=1) for name in ("patch_size", "spatial_merge_size"))
    least, most = _bounds(configs)
    sees = {
        "pixel_values": "patches",
        "patch_positions": "patch_places",
        "patch_pictures": "patch_pictures",
        "token_order": "order",
    }
    reads = {"input_ids": "ids", "attention_mask": "mask", "position_ids": "id_places", "image_embeds": "seen"}
    return (
        WindowPatches(
            "patches",
            "patch_places",
            "patch_pictures",
            "order",
            "grids",
            patch=patch,
            merge=merge,
            window=seeing.integer("window_size", minimum=patch * merge) // (patch * merge),
            least=least,
            most=most,
            mean=_colours(configs, "image_mean", CLIP_MEAN),
            std=_colours(configs, "image_std", CLIP_STD),
            area=_SEEN**2 if several else None,
            rounded=_ROUNDED if several else 1,
        ),
        Tokens(
            "tokenizer",
            "ids",
            length=_HEAD + _TOKENS,
            mask="mask",
            template=_TEMPLATE,
            padding="longest",
            kept="kept",
            dropped=_HEAD,
            grids="grids",
            picture=f"{_NUMBERED}{_PICTURE}" if several else _PICTURE,
            picture_mark="<|image_pad|>",
        ),
        PictureTextIds("ids", "mask", "grids", "id_places", configs.of("text_encoder").integer("image_token_id")),
        Graph("vision_encoder", sees, {"image_embeds": "seen"}),
        Graph("text_encoder", reads, {state_of(configs, before_last=0): "states"}),
        Pick("states", "kept", "text"),
        Pick("mask", "kept", "text_mask"),
    )


def _edit(configs: Configs, count: int, *, several: bool) -> tuple[Part, ...]:
    """Beside so many pictures, whose tokens are told apart by their first place."""
    parts: list[Part] = []
    (means, deviations), whole = numbers_of(configs), not several
    for index, image in enumerate(SEVERAL[:count], 1):
        parts += [
            Picture(image, f"pixels_{index}", rounded=_ROUNDED if several else None),
            # Only a picture of the run's size has the run's tiles.
            Graph("vae_encoder", {"sample": f"pixels_{index}"}, {"latent_parameters": f"moments_{index}"}, tiled=whole),
            Cut(f"moments_{index}", f"mode_{index}", 1, entries=channels_of(configs)),
            Affine(f"mode_{index}", f"latents_{index}", minus=means, over=deviations),
            GridIds(f"places_{index}", _AXES, _PATCH, first=float(index), like=f"latents_{index}", centred=True),
            Repeat(f"latents_{index}", f"each_{index}"),
            Patches(f"each_{index}", f"tokens_{index}", _PATCH),
        ]
    numbers = range(1, count + 1)
    tokens, places = (tuple(f"{name}_{number}" for number in numbers) for name in ("tokens", "places"))
    return (*parts, Join(tokens, "reference", 1), Join(("own_places", *places), "places", -2), Noise())


def _bounds(configs: Configs) -> tuple[int, int]:
    """How many pixels of a picture the text encoder looks at, at least and at most."""
    fields = configs.of("processor")
    size = fields if fields.values.get("size") is None else fields.fields("size")
    names = (("min_pixels", "shortest_edge"), ("max_pixels", "longest_edge"))
    found = [fields.optional_integer(old, minimum=1) or size.optional_integer(new, minimum=1) for old, new in names]
    least, most = (given or usual for given, usual in zip(found, _PIXELS, strict=True))
    return least, most


def _colours(configs: Configs, name: str, usual: tuple[float, ...]) -> tuple[float, ...]:
    """A number for red, green and blue each."""
    fields = configs.of("processor")
    given = usual if fields.values.get(name) is None else fields.array(name)
    if len(given) != RGB_CHANNELS or not all(is_finite(number) for number in given):
        raise fields.fail(name, f"{RGB_CHANNELS} finite numbers")
    return tuple(map(float, given))


def defaults(configs: Configs) -> Defaults:
    """Those of diffusers' pipelines, or for the later editions of their cards."""
    steps = 40 if configs.class_name == _PLUS else 50
    return Defaults(steps=steps, guidance=4.0, width=_SIDE, height=_SIDE)


QWEN_IMAGE_EDIT = Family(
    name="qwen-image-edit",
    pipelines=("QwenImageEditPipeline", _PLUS),
    recipe=recipe,
    defaults=defaults,
)
