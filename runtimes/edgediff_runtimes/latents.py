"""Between pictures and latents: the VAE's two graphs, and a linear map for previews."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from edgediff_runtimes.bundle import Latents
from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.components import Loaded
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.images import array_to_image
from edgediff_runtimes.noise import NoiseSource
from edgediff_runtimes.tensors import Floats

EncodeMode: TypeAlias = Literal["sample", "mode"]

# diffusers' DiagonalGaussianDistribution clips the logarithm of the variance to this range.
_LOGVAR_RANGE = (-30.0, 20.0)


def decode(decoder: Loaded, latents: Floats, space: Latents, *, cancel: CancelToken) -> list[Image.Image]:
    """Pictures from latents, decoded one by one: memory stays that of one picture.

    Args:
        decoder: The graph ``vae_decoder``.
        latents: ``(batch, channels, height, width)`` as the sampler leaves them.
        space: Scaling and shift.
        cancel: Ends the decoding early.
    """
    encoded = latents / np.float32(space.scaling) + np.float32(space.shift)
    return [
        array_to_image(decoder.run("sample", {"latent_sample": encoded[i : i + 1]}, cancel=cancel)[0])
        for i in range(len(encoded))
    ]


def encode(
    encoder: Loaded,
    pixels: Floats,
    space: Latents,
    *,
    batch: int,
    mode: EncodeMode,
    rng: NoiseSource,
    cancel: CancelToken,
) -> Floats:
    """Latents of one picture, once per image of a batch.

    Args:
        encoder: The graph ``vae_encoder``, which gives mean and log-variance of a Gaussian, stacked by channel.
        pixels: ``(1, 3, height, width)`` in [-1, 1].
        space: Scaling and shift.
        batch: Images in the batch.
        mode: ``sample`` draws from the Gaussian, as diffusers' image-to-image does; ``mode`` takes its mean.
        rng: Where ``sample`` draws from; ``mode`` draws nothing.
        cancel: Ends the encoding early.

    Returns:
        ``(batch, channels, height / factor, width / factor)``, float32.
    """
    moments = encoder.run("latent_parameters", {"sample": pixels}, cancel=cancel)
    mean, logvar = np.split(moments.astype(np.float32, copy=False), 2, axis=1)
    encoded = np.repeat(mean, batch, axis=0)
    if mode == "sample":
        std = np.exp(np.float32(0.5) * np.clip(logvar, *_LOGVAR_RANGE))
        encoded = encoded + std * rng.standard_normal(encoded.shape)
    return (encoded - np.float32(space.shift)) * np.float32(space.scaling)


def preview(latents: Floats, space: Latents) -> list[Image.Image]:
    """Rough pictures from latents by the bundle's linear map; no graph runs.

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
