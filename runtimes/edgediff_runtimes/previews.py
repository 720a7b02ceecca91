"""Rough pictures from latents, so that a picture can be looked at while it is drawn."""

from __future__ import annotations

import numpy as np
from PIL import Image

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.images import array_to_image
from edgediff_runtimes.recipe import Space
from edgediff_runtimes.tensors import Floats


def preview(latents: Floats, space: Space) -> list[Image.Image]:
    """Rough pictures by the bundle's linear map; no graph runs.

    Args:
        latents: ``(batch, channels, height, width)``, denoised as the sampler sees them.
        space: Has the map.

    Raises:
        SettingError: The bundle has no map.
    """
    if space.preview is None:
        raise SettingError("preview", got=None, expected="a bundle whose export fitted a preview map")
    table = np.asarray(space.preview, np.float32)
    colours = np.einsum("bchw,ck->bkhw", latents, table[:-1]) + table[-1][:, None, None]
    size = latents.shape[3] * space.factor, latents.shape[2] * space.factor
    return [array_to_image(2 * picture - 1).resize(size, Image.Resampling.BILINEAR) for picture in colours]
