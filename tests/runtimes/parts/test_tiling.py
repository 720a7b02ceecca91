"""Graphs over pictures in tiles: what tiles are made of, and what comes of them."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.errors import RecipeError, SettingError
from edgediff_runtimes.parts import Value, run_part
from edgediff_runtimes.parts.tiling import DROPPED, LEAST, OVERLAP, tiled
from edgediff_runtimes.recipe import Space
from edgediff_runtimes.recipe.declarations import Graph
from edgediff_runtimes.settings import checks
from edgediff_runtimes.tensors import TensorSpec

GROWN = 8
SPEC = TensorSpec("latents", "float32", (1, 4, "rows", "columns"))
DECODER = Graph("vae_decoder", {"latents": "z"}, {"sample": "pixels"}, alone=True, tiled=True)
SIZES = [(24, 24), (25, 24), (40, 16), (33, 57), (128, 128), (100, 31)]


def _grown(array):
    """Each entry of a sample a square of pixels: nothing that another tile would need."""
    return np.repeat(np.repeat(array, GROWN, axis=-2), GROWN, axis=-1)


def _enough():
    return None


def _random(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("rows", "columns"), SIZES)
@pytest.mark.parametrize("side", [LEAST, LEAST + 1, 3 * LEAST])
def test_tiles_that_depend_on_nothing_else_give_the_whole(rows, columns, side):
    array, seen = _random(1, 4, rows, columns), []

    def compute(tile):
        seen.append(tile.shape)
        return {"sample": _grown(tile)}

    got = tiled(compute, array, rows=rows, columns=columns, side=side)["sample"]
    np.testing.assert_allclose(got, _grown(array), rtol=0, atol=1e-6)
    assert len({*seen}) == 1  # engines that compile for a shape do so once
    assert max(seen[0][-2:]) <= side


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_a_picture_in_pixels_becomes_latents_tile_by_tile(rows, columns):
    array = _random(1, 3, rows * GROWN, columns * GROWN)

    def compute(tile):
        return {"moments": tile[..., ::GROWN, ::GROWN]}

    got = tiled(compute, array, rows=rows, columns=columns, side=LEAST)["moments"]
    np.testing.assert_allclose(got, array[..., ::GROWN, ::GROWN], rtol=0, atol=1e-6)


def test_neighbours_go_over_into_one_another():
    tiles = []

    def compute(tile):
        tiles.append(len(tiles))
        return {"sample": np.full_like(tile, tiles[-1])}

    got = tiled(compute, _random(1, 1, 16, 2 * LEAST), rows=16, columns=2 * LEAST, side=LEAST)["sample"][0, 0, 0]
    assert len(tiles) == 3
    assert (got[0], got[-1]) == (0, 2)
    steps = np.diff(got)
    assert (steps >= 0).all()
    assert steps.max() <= 1 / (OVERLAP - 2 * DROPPED)


@pytest.mark.parametrize("scale", [1, GROWN])
def test_what_convolutions_cannot_see_beyond_a_tile_does_not_count(scale):
    def compute(tile):
        grown = np.repeat(np.repeat(np.zeros_like(tile), scale, axis=-2), scale, axis=-1)
        unseen = DROPPED * scale
        grown[..., :unseen] = grown[..., -unseen:] = grown[..., :unseen, :] = grown[..., -unseen:, :] = 1
        return {"sample": grown}

    got = tiled(compute, _random(1, 1, 60, 61), rows=60, columns=61, side=LEAST)["sample"][0, 0]
    inner = got[DROPPED * scale : -DROPPED * scale, DROPPED * scale : -DROPPED * scale]
    assert (inner == 0).all()
    assert (got[0] == 1).all()  # the picture's own border is as the whole has it


def test_what_fits_into_a_tile_is_computed_whole():
    array = _random(1, 4, 16, 12)
    assert tiled(lambda tile: {"sample": tile}, array, rows=16, columns=12, side=16)["sample"] is array


def test_a_decoder_is_computed_in_tiles_one_picture_at_a_time(context):
    latents, seen = _random(2, 4, 64, 56), []

    def decode(feeds):
        seen.append(feeds["latents"].shape)
        return {"sample": _grown(feeds["latents"])}

    graphs = {"graphs": {"vae_decoder": decode}, "specs": {"vae_decoder": [SPEC]}}
    made = context(values={"z": Value(latents, "pictures")}, tile=192, width=448, height=512, **graphs)
    run_part(DECODER, made)
    np.testing.assert_allclose(made.array("pixels"), _grown(latents), rtol=0, atol=1e-6)
    assert {*seen} == {(1, 4, 22, 24)}
    assert len(seen) == 2 * 4 * 3
    seen.clear()
    made = context(values={"z": Value(latents, "pictures")}, tile=None, width=448, height=512, **graphs)
    run_part(DECODER, made)
    assert seen == [(1, 4, 64, 56)] * 2


def test_an_output_of_another_size_is_told_of_the_recipe(context):
    graphs = {"vae_decoder": lambda feeds: {"sample": feeds["latents"][..., :3]}}
    made = context(
        values={"z": Value(_random(1, 4, 48, 40), "pictures")},
        tile=192,
        width=320,
        height=384,
        graphs=graphs,
        specs={"vae_decoder": [SPEC]},
    )
    with pytest.raises(RecipeError, match=r"\(tile\) cannot compute"):
        run_part(DECODER, made)


@pytest.mark.parametrize(
    ("given", "tile"), [(None, None), (512, None), (511, 504), (192, 192), (300, 296), (10_000, None)]
)
def test_a_tile_is_whole_entries_of_a_sample(given, tile):
    assert checks.tile(given, Space(4, factor=8), width=512, height=320, spare=_enough) == tile


@pytest.mark.parametrize("given", [0, -1, 191, 256.5, "large", True, [512]])
def test_other_tiles_are_refused(given):
    with pytest.raises(SettingError, match="a whole number of pixels from 192, or `auto`"):
        checks.tile(given, Space(4, factor=8), width=512, height=512, spare=_enough)


@pytest.mark.parametrize(
    ("available", "tile"), [(None, None), (64 << 30, None), (4 << 30, 568), (1 << 30, 280), (1 << 20, 192), (-1, 192)]
)
def test_auto_takes_the_largest_tile_that_memory_holds(available, tile):
    space = Space(4, factor=8)
    assert checks.tile("auto", space, width=1024, height=1024, spare=lambda: available) == tile
