"""Pictures in windows, and places of texts among which they stand; ``exporters/test_vision.py`` has transformers'."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.errors import ImageError, RecipeError, SettingError
from edgediff_runtimes.parts import run_part
from edgediff_runtimes.recipe.declarations import PictureTextIds, Tokens, WindowPatches
from edgediff_runtimes.text import open_tokenizer

NAMES = ("to", "positions", "pictures", "order", "grids")
# One pixel is a patch, two by two of them a token, three by three tokens a window.
PART = WindowPatches(
    **{name: name for name in NAMES},
    patch=1,
    merge=2,
    window=3,
    least=1,
    most=10_000,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
)


@pytest.fixture
def cut(context):
    """The values that a part writes for pictures of a run of 10 by 8 pixels."""

    def of(part, *pictures, **fields):
        names = ("image", "image_2")[: len(pictures)]
        made = context(pictures=dict(zip(names, pictures, strict=True)), **{"width": 10, "height": 8, **fields})
        run_part(part, made)
        return {name: made.values[name].array for name in NAMES}

    return of


def _numbered(width, height):
    """Every pixel has its own row and column as colours."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return Image.fromarray(np.stack([rows, columns, np.full_like(rows, 255)], -1))


def test_every_patch_is_in_the_window_of_its_place(cut):
    got = cut(PART, _numbered(10, 8))
    assert got["grids"].tolist() == [[4, 5]]
    assert (got["to"].shape, got["to"].dtype) == ((4, 36, 3), np.float32)
    inside = got["pictures"] == 1
    assert inside.sum() == 80
    assert not got["to"][~inside].any()
    np.testing.assert_allclose(got["to"][..., :2][inside] * 255, got["positions"][inside], atol=1e-4)
    for window, there in zip(got["positions"], inside, strict=True):
        assert len({tuple(place) for place in window[there] // 6}) == 1


def test_the_order_finds_tokens_row_by_row(cut):
    got = cut(PART, _numbered(10, 8))
    tokens = got["positions"].reshape(-1, 4, 2)[got["order"]]
    rows, columns = np.mgrid[:4, :5].reshape(2, -1)
    assert tokens[:, 0].tolist() == np.stack([2 * rows, 2 * columns], -1).tolist()
    assert tokens[0].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_pictures_stand_one_behind_the_other(cut):
    got = cut(replace(PART, area=64), _numbered(16, 16), _numbered(4, 16))
    assert got["grids"].tolist() == [[4, 4], [8, 2]]
    assert [set(numbers.tolist()) for numbers in got["pictures"]] == [{1}, {0, 1}, {0, 1}, {0, 1}, *[{0, 2}] * 3]
    assert len(set(got["order"].tolist())) == 32
    assert got["pictures"].reshape(-1, 4)[got["order"]].tolist() == [[1] * 4] * 16 + [[2] * 4] * 16


@pytest.mark.parametrize(
    ("bounds", "grid"), [({}, [4, 5]), ({"most": 50}, [3, 3]), ({"least": 200}, [7, 8])], ids=["as-is", "less", "more"]
)
def test_pixels_lie_between_two_bounds(cut, bounds, grid):
    assert cut(replace(PART, **bounds), _numbered(10, 8))["grids"].tolist() == [grid]


def test_no_picture_is_a_line(cut):
    with pytest.raises(ImageError, match="the picture has 808x4 pixels: expected a shape of at most 200 to 1"):
        cut(PART, _numbered(10, 8), width=808, height=4)


IDS = PictureTextIds("ids", "mask", "grids", "places", mark=9)


def test_texts_go_on_behind_the_larger_side_of_a_picture(context):
    ids = np.array([[0, 0, 5, 9, 9, 6, 9, 9, 7], [5, 9, 9, 6, 9, 9, 7, 8, 0]])
    mask = np.array([[0, 0] + [1] * 7, [1] * 8 + [0]])
    made = context(values={"ids": ids, "mask": mask, "grids": np.array([[1, 2], [2, 1]])})
    run_part(IDS, made)
    places = made.values["places"]
    text = [[0, 0, 0], [1, 1, 1], [1, 1, 2], [3, 3, 3], [4, 4, 4], [4, 5, 4], [6, 6, 6]]
    assert places.rows == "texts"
    assert places.array.tolist() == [[[0, 0, 0]] * 2 + text, [*text, [7, 7, 7], [0, 0, 0]]]


def test_a_text_without_its_pictures_is_refused(context):
    values = {"ids": np.array([[5, 9, 6]]), "mask": np.ones((1, 3)), "grids": np.array([[1, 2]])}
    with pytest.raises(RecipeError, match="has 1 tokens in place of pictures in `ids`: expected one for each token"):
        run_part(IDS, context(values=values))


@pytest.fixture(scope="module")
def tokenizers(golden):
    return {"qwen": open_tokenizer(golden / "text" / "qwen", kind="byte-level-bpe", max_tokens=30)}


ABOUT = Tokens("qwen", "ids", template="<{}>", length=9, grids="grids", picture="{}: <|im_start|>!")


def test_pictures_stand_in_front_of_a_prompt(context, tokenizers):
    made = context(values={"grids": np.array([[1, 2], [3, 1]])}, tokenizers=tokenizers, prompts=("a {}",))
    run_part(replace(ABOUT, padding="longest", length=40, picture_mark="<|im_start|>"), made)
    mark = "<|im_start|>"
    expected = tokenizers["qwen"].encode([f"<1: {mark * 2}!2: {mark * 3}!a {{}}>"], padding="longest").ids
    assert made.array("ids").tolist() == expected.tolist()


def test_their_tokens_are_beyond_the_length(context, tokenizers):
    made = context(values={"grids": np.array([[1, 30]])}, tokenizers=tokenizers)
    run_part(replace(ABOUT, picture_mark="<|im_start|>"), made)
    assert made.array("ids").shape == (1, 39)


@pytest.mark.parametrize("setting", ["prompts", "negative_prompts"])
def test_a_prompt_is_no_picture(context, tokenizers, setting):
    made = context(values={"grids": np.array([[1, 2]])}, tokenizers=tokenizers, **{setting: ("a <|im_start|>",)})
    with pytest.raises(SettingError, match="expected a text without it, because it stands for the picture") as caught:
        run_part(replace(ABOUT, picture_mark="<|im_start|>"), made)
    assert caught.value.setting == setting.removesuffix("s")
