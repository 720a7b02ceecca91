"""Pictures that steer the network, and pictures beside the prompt."""

from __future__ import annotations

import numpy as np
from PIL import Image

from edgediff_runtimes.parts.values import Context, Value, is_nothing, nothing
from edgediff_runtimes.preprocessors import PREPROCESSORS
from edgediff_runtimes.recipe.declarations import Branches, Control, ControlScale, PromptPictures
from edgediff_runtimes.settings.controls import picture_name
from edgediff_runtimes.settings.prompt_pictures import PICTURE
from edgediff_runtimes.tensors import Floats


def control(part: Control, context: Context) -> dict[str, Value]:
    """The caller's picture in the size of the run, prepared in that size where it is to be; else nothing."""
    image = context.pictures.get(picture_name(part.index))
    if image is None:
        return {part.to: nothing()}
    settings = context.settings
    image = image.resize((settings.width, settings.height), Image.Resampling.LANCZOS)
    preprocessor = settings.option("control_preprocessor")[part.index]
    if preprocessor is not None:
        image = PREPROCESSORS[preprocessor](image)
    pixels = np.asarray(image, np.float32) / 255
    if part.signed:
        pixels = 2 * pixels - 1
    return {part.to: Value(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))}


def control_scale(part: ControlScale, context: Context) -> dict[str, Value]:
    """How much the picture weighs, where this call is among those that it is for.

    Call i of n is where i / n is at least the start and (i + 1) / n at most the end, as in diffusers' pipelines.
    """
    settings = context.settings
    scales = settings.choices.get("control_scale", ())
    if part.index >= len(scales) or scales[part.index] is None:
        return {part.to: nothing()}
    start, end = (settings.option(name)[part.index] for name in ("control_start", "control_end"))
    outside = context.call / context.calls < start or (context.call + 1) / context.calls > end
    return {part.to: nothing() if outside else Value(np.full(1, scales[part.index], np.float32))}


def prompt_pictures(part: PromptPictures, context: Context) -> dict[str, Value]:
    """The caller's pictures as CLIP's own preprocessor makes them, and how much they weigh."""
    images = [image for name, image in context.pictures.items() if name.startswith(f"{PICTURE}.")]
    if not images:
        return {part.to: nothing(), part.scale: nothing()}
    scale = np.full(1, context.settings.option("prompt_image_scale"), np.float32)
    return {part.to: Value(np.stack([_seen(image, part) for image in images])), part.scale: Value(scale)}


def branches(part: Branches, context: Context) -> dict[str, Value]:
    """A row for each text of the guided branch, and of the unguided one where there is guidance."""
    value, settings = context.values[part.name], context.settings
    if is_nothing(value):
        return {part.to: nothing()}
    rows = [value.array] * settings.subjects
    if settings.guided:
        rows += [context.array(part.null)] * settings.subjects
    return {part.to: Value(np.concatenate(rows), "texts")}


def _seen(image: Image.Image, part: PromptPictures) -> Floats:
    """Its shorter side resized, bicubic, the middle of the longer one cut out, each colour brought to a deviation."""
    short, side = min(image.size), part.side
    width, height = (int(side * length / short) for length in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side) // 2, (height - side) // 2
    pixels: Floats = np.asarray(image.crop((left, top, left + side, top + side)), np.float32) / np.float32(255)
    mean, std = (np.array(numbers, np.float32) for numbers in (part.mean, part.std))
    seen: Floats = (pixels - mean) / std
    return np.ascontiguousarray(seen.transpose(2, 0, 1))
