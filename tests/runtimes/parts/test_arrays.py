"""Arithmetic and random draws: an encoder's Gaussian, noise, scaling, joining, padding."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.noise import noise_source, per_image
from edgediff_runtimes.parts import Value, run_part
from edgediff_runtimes.recipe.declarations import Affine, Cut, Gaussian, Join, Noise, Pad, Repeat

SEEDS = (3, 4, 5)


def _random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture
def moments():
    """Mean and log-variance; some of the latter are beyond the range that is used."""
    values = _random(0, 1, 8, 6, 5)
    values[:, 4:] *= 3
    values[0, 4, 0, 0], values[0, 4, 0, 1] = -1000, 30
    return values


def test_a_sample_is_mean_plus_deviation_times_noise(context, moments):
    made = context(values={"moments": moments}, images_per_prompt=3, encode="sample")
    run_part(Gaussian("moments", "draw"), made)
    got = made.array("draw")
    mean, logvar = moments[0, :4].astype(np.float64), moments[0, 4:].astype(np.float64)
    for i, seed in enumerate(SEEDS):
        noise = noise_source(seed).standard_normal((1, 4, 6, 5))[0]
        expected = mean + np.sqrt(np.exp(np.clip(logvar, -30, 20))) * noise
        np.testing.assert_allclose(got[i], expected, rtol=1e-5, atol=1e-5)
    assert (got.dtype, made.values["draw"].rows) == (np.float32, "pictures")


def test_the_mode_is_the_mean_and_draws_nothing(context, moments):
    made = context(values={"moments": moments}, images_per_prompt=3, encode="mode")
    run_part(Gaussian("moments", "draw"), made)
    np.testing.assert_array_equal(made.array("draw"), np.repeat(moments[:, :4], 3, axis=0))
    untouched = per_image([noise_source(seed) for seed in SEEDS]).standard_normal((3, 2))
    np.testing.assert_array_equal(made.rng.standard_normal((3, 2)), untouched)


def test_every_picture_has_the_noise_of_its_own_seed(context):
    made = context(images_per_prompt=3)
    run_part(Noise(), made)
    expected = np.concatenate([noise_source(seed).standard_normal((1, 4, 6, 5)) for seed in SEEDS])
    np.testing.assert_array_equal(made.array("noise"), expected)
    assert made.values["noise"].rows == "pictures"


def test_affine_rounds_as_diffusers_does(context):
    x = _random(1, 2, 4, 3, 3)
    made = context(values={"x": Value(x, "pictures")})
    run_part(Affine("x", "decoded", over=0.18215, plus=0.0609), made)
    run_part(Affine("x", "encoded", minus=0.0609, times=0.18215), made)
    np.testing.assert_array_equal(made.array("decoded"), x / np.float32(0.18215) + np.float32(0.0609))
    np.testing.assert_array_equal(made.array("encoded"), (x - np.float32(0.0609)) * np.float32(0.18215))


def test_affine_takes_one_number_per_channel(context):
    x = _random(2, 2, 3, 4, 5)
    made = context(values={"x": Value(x, "pictures")})
    run_part(Affine("x", "y", times=(1.0, 2.0, 3.0), plus=(0.5, 0.0, -0.5)), made)
    for channel, (times, plus) in enumerate([(1, 0.5), (2, 0), (3, -0.5)]):
        np.testing.assert_allclose(made.array("y")[:, channel], x[:, channel] * times + plus, rtol=1e-6)


def test_cut_takes_the_beginning(context):
    long, short = _random(5, 2, 7, 3), _random(6, 2, 4, 3)
    made = context(values={"long": Value(long, "pictures"), "short": Value(short, "pictures")})
    run_part(Cut("long", "as_short", 1, like="short"), made)
    run_part(Cut("long", "two", -1, entries=2), made)
    run_part(Cut("long", "none", 1, entries=0), made)
    np.testing.assert_array_equal(made.array("as_short"), long[:, :4])
    np.testing.assert_array_equal(made.array("two"), long[..., :2])
    assert made.array("none").shape == (2, 0, 3)
    assert made.values["none"].rows == "pictures"
    with pytest.raises(RecipeError, match=r"cut.*values that fit together"):
        run_part(Cut("short", "more", 1, like="long"), made)


def test_repeat_is_once_for_every_picture(context):
    one = _random(7, 1, 4, 6, 5)
    made = context(values={"one": one}, prompts=("a", "b"), images_per_prompt=2)
    run_part(Repeat("one", "each"), made)
    np.testing.assert_array_equal(made.array("each"), np.concatenate([one] * 4))
    assert made.values["each"].rows == "pictures"


def test_join_and_pad_keep_the_rows(context):
    one, two = _random(3, 2, 7, 3), _random(4, 2, 7, 5)
    made = context(values={"one": Value(one, "texts"), "two": Value(two, "texts")})
    run_part(Join(("one", "two"), "both", -1), made)
    run_part(Pad("both", "padded", -1, 10), made)
    np.testing.assert_array_equal(made.array("both"), np.concatenate([one, two], axis=2))
    np.testing.assert_array_equal(made.array("padded")[..., :8], made.array("both"))
    assert not made.array("padded")[..., 8:].any()
    assert made.values["padded"].rows == "texts"
