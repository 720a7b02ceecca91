"""Options of the caller as arrays: scales, labels, sizes; and positions and patches of tokens."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgediff_runtimes.parts import Value, run_part
from edgediff_runtimes.recipe import Space
from edgediff_runtimes.recipe.declarations import Choice, GridIds, Patches, Sinusoid, Sizes, TextIds, Unpatches


@pytest.mark.parametrize(("scale", "dim"), [(8.5, 256), (1.0, 32), (3.25, 33), (14.0, 8)])
def test_a_sinusoid_is_that_of_the_distilled_networks(context, scale, dim):
    made = context(images_per_prompt=3, guidance=scale)
    run_part(Sinusoid("guidance", "scale", dim, shift=-1.0, scale=1000.0), made)
    half = dim // 2
    expected = [math.sin((scale - 1) * 1000 * 10_000 ** (-i / (half - 1))) for i in range(half)]
    expected += [math.cos((scale - 1) * 1000 * 10_000 ** (-i / (half - 1))) for i in range(half)]
    expected += [0.0] * (dim % 2)
    got = made.array("scale")
    assert (got.shape, got.dtype) == ((3, dim), np.float32)
    # float32 phases of up to 13000 are exact to 1e-3
    np.testing.assert_allclose(got, np.tile(expected, (3, 1)), atol=2e-3)


def test_labels_and_their_null(context):
    made = context(prompts=(), guided=True, choices={"class_label": (207, 33)})
    run_part(Choice("class_label", "label", null=1000, below=1000), made)
    assert made.array("label").tolist() == [207, 33, 1000, 1000]
    assert made.array("label").dtype == np.int64


def test_a_number_for_every_text(context):
    made = context(prompts=("a", "b"), guidance=3.5)
    run_part(Choice("guidance", "scale", scale=1000.0), made)
    np.testing.assert_array_equal(made.array("scale"), np.float32([3500, 3500]))


def test_sizes_of_both_branches(context):
    made = context(guided=True, choices={"crop_top": 7.0, "aesthetic_score": 6.0, "negative_aesthetic_score": 2.5})
    fields = ("height", "width", "crop_top", 0)
    run_part(Sizes("sizes", (*fields, "aesthetic_score"), (*fields, "negative_aesthetic_score")), made)
    np.testing.assert_array_equal(made.array("sizes"), np.float32([[48, 40, 7, 0, 6], [48, 40, 7, 0, 2.5]]))


def test_grid_and_text_ids(context):
    made = context(values={"text": Value(np.zeros((1, 5, 2), np.float32), "texts")})
    run_part(GridIds("grid", 3, pixels=8), made)
    run_part(GridIds("other", 3, pixels=8, first=10.0), made)
    run_part(GridIds("of_text", 4, pixels=1, like="text"), made)
    run_part(TextIds("zeros", "text", 3), made)
    run_part(TextIds("places", "text", 4, count=3), made)
    grid = made.array("grid").reshape(6, 5, 3)
    assert not grid[..., 0].any()
    assert (grid[..., 1] == np.arange(6)[:, None]).all()
    assert (grid[..., 2] == np.arange(5)).all()
    assert made.array("zeros").shape == (5, 3)
    assert not made.array("zeros").any()
    assert made.array("places")[:, 3].tolist() == [0, 1, 2, 3, 4]
    assert made.values["grid"].rows is None
    np.testing.assert_array_equal(
        made.array("of_text")[:, 1:3], [(row, column) for row in range(5) for column in (0, 1)]
    )
    np.testing.assert_array_equal(made.array("other"), made.array("grid") + np.float32([10, 0, 0]))


def test_a_grid_within_a_square(context):
    made = context()
    run_part(GridIds("grid", 2, pixels=8, row=0, within=32), made)
    grid = made.array("grid").reshape(6, 5, 2)
    # of 48 pixels by 40: the six rows fill 32 places, the five columns 27 from the second on
    np.testing.assert_allclose(grid[:, 0, 0], np.linspace(0, 32 * 5 / 6, 6), rtol=1e-6)
    np.testing.assert_allclose(grid[0, :, 1], [2, 7.3, 12.6, 17.9, 23.2], rtol=1e-6)
    assert (grid == grid[:1] * [0, 1] + grid[:, :1] * [1, 0]).all()


def test_patches_and_back(context):
    x = np.arange(2 * 3 * 4 * 6, dtype=np.float32).reshape(2, 3, 4, 6)
    made = context(values={"x": Value(x, "pictures")}, space=Space(3))
    run_part(Patches("x", "tokens", 2), made)
    run_part(Unpatches("tokens", "back", "x", 2), made)
    tokens = made.array("tokens")
    assert tokens.shape == (2, 6, 12)
    np.testing.assert_array_equal(tokens[1, 4], x[1, :, 2:4, 2:4].reshape(-1))  # second row, second column
    np.testing.assert_array_equal(made.array("back"), x)
