"""What a recipe brings together and does not fit is the recipe's fault, whatever NumPy calls it."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.parts import run_part
from edgediff_runtimes.recipe import declarations as declared

TEXT = np.zeros((1, 7, 4), np.float32)
ODD = [
    declared.Pad("text", "y", axis=1, length=2),
    declared.Pad("text", "y", axis=9, length=20),
    declared.Join(("text", "row"), "y", axis=1),
    declared.Cut("text", "y", axis=1, entries=8),
    declared.Cut("text", "y", axis=2, like="row"),
    declared.Join((), "y", axis=1),
    declared.Affine("text", "y", times=(1.0, 2.0, 3.0)),
    declared.Pick("text", "text", "y"),
    declared.Patches("text", "y", patch=2),
    declared.GridIds("y", axes=1, pixels=8),
    declared.TextIds("y", "text", axes=2, count=7),
]


@pytest.mark.parametrize("part", ODD, ids=lambda part: type(part).__name__)
def test_what_does_not_fit_is_told_of_the_recipe(context, part):
    made = context(values={"text": TEXT, "row": TEXT[0]})
    with pytest.raises(RecipeError, match=f"stage `base` \\({type(part).__name__.lower()}\\) cannot compute"):
        run_part(part, made)


def test_pictures_have_one_channel_or_three(context):
    made = context(values={"x": np.zeros((1, 4, 8, 8), np.float32)})
    with pytest.raises(RecipeError, match=r"makes pictures shaped \[1, 4, 8, 8\]: expected 1 or 3 channels"):
        run_part(declared.Pictures("x"), made)
