"""Pictures that steer the network: resized, prepared, weighed at each call, summed; and graphs that are left out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.parts import Value, run_part
from edgediff_runtimes.preprocessors import canny
from edgediff_runtimes.recipe.declarations import Control, ControlScale, Cut, Gaussian, Graph, Patches, Sum

ABOUT = {
    "control_scale": [None, 0.7],
    "control_start": [None, 0.25],
    "control_end": [None, 0.75],
    "control_preprocessor": [None, None],
}


@pytest.fixture
def drawn():
    """Noise and a bar, of another size than the run's."""
    levels = np.random.default_rng(0).integers(0, 60, (30, 50, 3), np.uint8)
    levels[:, 20:30] = 250
    return Image.fromarray(levels)


def test_a_picture_is_resized_and_not_made_negative(context, drawn):
    made = context(choices=ABOUT, pictures={"control_image.1": drawn})
    run_part(Control(1, "picture"), made)
    run_part(Control(0, "other"), made)
    expected = np.asarray(drawn.resize((40, 48), Image.Resampling.LANCZOS), np.float32) / 255
    np.testing.assert_array_equal(made.array("picture"), expected.transpose(2, 0, 1)[None])
    assert (made.array("picture").dtype, made.values["picture"].rows) == (np.float32, None)
    assert made.array("other").tolist() == [0]
    run_part(Control(1, "signed", signed=True), made)
    np.testing.assert_allclose(made.array("signed"), 2 * made.array("picture") - 1, atol=1e-6)


@pytest.mark.parametrize(
    "part",
    [Gaussian("none", "to"), Cut("none", "to", axis=1, entries=4), Patches("none", "to", 2)],
    ids=["gaussian", "cut", "patches"],
)
def test_of_a_picture_that_is_not_given_nothing_is_made_and_nothing_drawn(context, part):
    made, untouched = (context(values={"none": np.zeros(1, np.float32)}) for _ in range(2))
    run_part(part, made)
    assert made.array("to").tolist() == [0]
    np.testing.assert_array_equal(made.rng.standard_normal((1, 2)), untouched.rng.standard_normal((1, 2)))


def test_edges_are_found_in_the_size_of_the_run(context, drawn):
    made = context(choices={**ABOUT, "control_preprocessor": [None, "canny"]}, pictures={"control_image.1": drawn})
    run_part(Control(1, "picture"), made)
    edges = np.asarray(canny(drawn.resize((40, 48), Image.Resampling.LANCZOS)))
    np.testing.assert_array_equal(made.array("picture")[0], edges.transpose(2, 0, 1) / np.float32(255))
    assert {*np.unique(made.array("picture"))} == {0, 1}


@pytest.mark.parametrize(
    ("calls", "weighs"),
    [(4, [0, 0.7, 0.7, 0]), (5, [0, 0, 0.7, 0, 0]), (1, [0]), (8, [0, 0, 0.7, 0.7, 0.7, 0.7, 0, 0])],
)
def test_it_weighs_within_its_share_of_the_calls(context, calls, weighs):
    """``1 - float(i / n < start or (i + 1) / n > end)``, as diffusers counts."""
    made = context(choices=ABOUT)
    made.calls = calls
    for made.call, weight in enumerate(weighs):
        run_part(ControlScale(1, "scale"), made)
        run_part(ControlScale(0, "none"), made)
        assert made.array("scale").tolist() == [pytest.approx(weight)]
        assert made.array("none").tolist() == [0]


def test_without_pictures_nothing_weighs(context):
    made = context()
    run_part(ControlScale(0, "scale"), made)
    assert made.array("scale").tolist() == [0]


def test_values_are_summed_and_weighed(context):
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 2, 3, 4, 5)).astype(np.float32)
    nothing = np.zeros(1, np.float32)
    values = {
        "first": Value(first, "pictures"),
        "second": Value(second, "pictures"),
        "nothing": nothing,
        "half": np.full(1, 0.5, np.float32),
        "none": nothing,
    }
    made = context(values=values)
    run_part(Sum(("first", "second", "nothing"), "all"), made)
    run_part(Sum(("first", "second"), "weighed", ("half", "none")), made)
    run_part(Sum(("first", "second"), "left out", ("none", "none")), made)
    run_part(Sum(("nothing", "nothing"), "still nothing"), made)
    np.testing.assert_array_equal(made.array("all"), first + second)
    np.testing.assert_array_equal(made.array("weighed"), first * np.float32(0.5))
    assert (made.values["all"].rows, made.values["weighed"].rows) == ("pictures", "pictures")
    assert made.array("left out").tolist() == made.array("still nothing").tolist() == [0]


def test_a_graph_is_left_out_where_a_value_says_so(context):
    made = context(values={"x": np.ones((1, 2), np.float32), "scale": np.zeros(1, np.float32)})
    part = Graph("controlnet", {"sample": "x"}, {"a": "first", "b": "second"}, when="scale")
    run_part(part, made)  # there is no such graph
    assert made.array("first").tolist() == made.array("second").tolist() == [0]
    made.values["scale"] = Value(np.ones(1, np.float32))
    with pytest.raises(KeyError):
        run_part(part, made)
