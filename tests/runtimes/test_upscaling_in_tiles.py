"""A model for super-resolution in tiles: what it is shown of the small picture is what lies under the tile."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement

FACTOR, LATENTS = 4, 4


@pytest.fixture
def seen():
    """Heights and widths that the U-Net was asked about."""
    return []


@pytest.fixture
def pipeline(golden, tmp_path, seen):
    """The upscaler's graphs as functions; what the U-Net predicts of an entry depends on that entry alone."""
    with zipfile.ZipFile(golden / "families" / "stable-diffusion-upscale.zip") as archive:
        archive.extractall(tmp_path)

    def answer(role, feeds):
        first = next(iter(feeds.values()))
        if role == "unet":
            seen.append(first.shape[-2:])
            return {"out_sample": np.float32(0.5) * first[:, :LATENTS] + first[:, LATENTS:].mean(axis=1, keepdims=True)}
        if role == "vae_decoder":
            return {"sample": np.tanh(first[:, :3]).repeat(FACTOR, axis=2).repeat(FACTOR, axis=3)}
        return {"last_hidden_state": np.zeros((*first.shape, 16), np.float32)}

    with Pipeline(Bundle.open(tmp_path / "bundle"), Placement(engine=FakeEngine(answer))) as pipeline:
        yield pipeline


def test_tiles_give_what_the_whole_gives(pipeline, seen):
    y, x = np.mgrid[0:48, 0:70].astype(np.uint8)
    small = Image.fromarray(np.stack([x * 3, y * 5, x + y], axis=-1))
    whole = pipeline("a", image=small, seed=3, steps=3)
    assert {*seen} == {(48, 68)}
    assert whole.images[0].size == (4 * 68, 4 * 48)
    seen.clear()
    tiled = pipeline("a", image=small, seed=3, steps=3, tile=96)
    assert {*seen} == {(24, 24)}
    np.testing.assert_allclose(tiled.latents, whole.latents, rtol=0, atol=1e-4)
    other = pipeline("a", image=small, seed=3, steps=3, noise_level=200)
    assert np.abs(other.latents - whole.latents).max() > 0.01


def test_a_level_that_it_was_not_taught_is_refused(pipeline, seen):
    with pytest.raises(SettingError, match="`noise_level` is 351: expected a whole number from 0 to 350"):
        pipeline("a", image=Image.new("RGB", (48, 48)), noise_level=351)
    assert seen == []
