"""What a model that draws from pictures alone is given where prompts are drawn to calibrate and to measure."""

from __future__ import annotations

from typing import cast

import numpy as np
from PIL import Image

from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import Mask, Picture
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.settings import Options

_GRID = 4  # random colours along a side; what is between them is interpolated


def with_pictures(recipe: Recipe, defaults: Defaults, call: Options) -> Options:
    """What a run is asked for, with a smooth random picture for each option that the model cannot do without.

    Of a model that draws into pictures the middle is drawn anew.

    Args:
        recipe: The model's; one that draws from text or from nothing needs none.
        defaults: Likewise.
        call: The call; its seed gives the picture.
    """
    parts = recipe.first.tasks[recipe.tasks[0]]
    names = [part.choice for part in parts if isinstance(part, Picture)]
    if not names:
        return call
    size = (call.get("width") or defaults.width or _GRID, call.get("height") or defaults.height or _GRID)
    width, height = (max(side // recipe.first.space.upscale, 1) for side in size)
    colours = np.random.default_rng(call.get("seed")).integers(0, 256, (_GRID, _GRID, 3), np.uint8)
    picture = Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC)
    mask = Image.new("L", picture.size, "black")
    mask.paste("white", (width // 4, height // 4, width * 3 // 4, height * 3 // 4))
    masks = [part.choice for part in parts if isinstance(part, Mask)]
    return cast("Options", {**call, **dict.fromkeys(names, picture), **dict.fromkeys(masks, mask)})
