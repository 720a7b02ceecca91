"""What layers add, against the definitions in the papers, written out entry by entry."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.adapters.formulas import Layer
from edgediff_runtimes.errors import AdapterError

RNG = np.random.default_rng(0)
RANK = 3


def some(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def tucker(middle, outputs, inputs):
    """o i h w: every pair of ranks, one after the other."""
    made = np.zeros((outputs.shape[0], inputs.shape[1], *middle.shape[2:]), np.float64)
    for r in range(outputs.shape[1]):
        for s in range(inputs.shape[0]):
            made += outputs[:, r, None, None, None] * inputs[s, None, :, None, None] * middle[r, s][None, None]
    return made


def near(got, expected):
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()


def test_linear():
    weight, down, up = some(6, 5), some(RANK, 5), some(6, RANK)
    near(Layer("x", {"down": down, "up": up}).difference(weight, 0.5), 0.5 * up @ down)


def test_alpha_is_compared_with_the_rank_or_its_root():
    weight, pieces = some(6, 5), {"down": some(RANK, 5), "up": some(6, RANK)}
    product = pieces["up"] @ pieces["down"]
    near(Layer("x", pieces, alpha=1.5).difference(weight, 1.0), 1.5 / RANK * product)
    near(Layer("x", pieces, alpha=1.5, by_root=True).difference(weight, 1.0), 1.5 / np.sqrt(RANK) * product)


def test_convolution():
    weight, down, up = some(6, 5, 3, 3), some(RANK, 5, 3, 3), some(6, RANK, 1, 1)
    expected = sum(up[:, r, 0, 0][:, None, None, None] * down[r][None] for r in range(RANK))
    near(Layer("x", {"down": down, "up": up}).difference(weight, 1.0), expected)


def test_a_linear_layer_that_was_a_convolution_of_one_pixel():
    down, up = some(RANK, 5, 1, 1), some(6, RANK, 1, 1)
    near(Layer("x", {"down": down, "up": up}).difference(some(6, 5), 1.0), up[:, :, 0, 0] @ down[:, :, 0, 0])


def test_convolution_with_a_middle():
    down, up, middle = some(RANK, 5, 1, 1), some(6, RANK, 1, 1), some(RANK, RANK, 3, 3)
    made = Layer("x", {"down": down, "up": up, "mid": middle}).difference(some(6, 5, 3, 3), 1.0)
    near(made, tucker(middle, up[:, :, 0, 0], down[:, :, 0, 0]))


def test_loha():
    a1, b1, a2, b2 = some(6, RANK), some(RANK, 5), some(6, RANK), some(RANK, 5)
    pieces = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2}
    near(Layer("x", pieces, alpha=6.0).difference(some(6, 5), 1.0), 2 * (a1 @ b1) * (a2 @ b2))


def test_loha_with_middles():
    a1, b1, a2, b2 = some(RANK, 6), some(RANK, 5), some(RANK, 6), some(RANK, 5)
    t1, t2 = some(RANK, RANK, 3, 3), some(RANK, RANK, 3, 3)
    pieces = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2, "hada_t1": t1, "hada_t2": t2}
    near(Layer("x", pieces).difference(some(6, 5, 3, 3), 1.0), tucker(t1, a1.T, b1) * tucker(t2, a2.T, b2))


@pytest.mark.parametrize("whole", [(), ("1",), ("2",), ("1", "2")])
def test_lokr(whole):
    pieces, factors = {}, []
    for number, (rows, columns) in (("1", (2, 3)), ("2", (4, 5))):
        if number in whole:
            pieces[f"lokr_w{number}"] = some(rows, columns)
            factors.append(pieces[f"lokr_w{number}"])
        else:
            pieces[f"lokr_w{number}_a"], pieces[f"lokr_w{number}_b"] = some(rows, RANK), some(RANK, columns)
            factors.append(pieces[f"lokr_w{number}_a"] @ pieces[f"lokr_w{number}_b"])
    expected = np.zeros((8, 15))
    for i in range(8):
        for j in range(15):
            expected[i, j] = factors[0][i // 4, j // 5] * factors[1][i % 4, j % 5]
    scale = 1.0 if len(whole) == 2 else 2.0  # alpha counts where a factor has a rank
    near(Layer("x", pieces, alpha=2.0 * RANK).difference(some(8, 15), 1.0), scale * expected)


def test_lokr_of_a_convolution():
    first, second = some(2, 3), some(4, 5, 3, 3)
    expected = np.stack([np.stack([np.kron(first, second[:, :, h, w]) for w in range(3)], -1) for h in range(3)], -2)
    near(Layer("x", {"lokr_w1": first, "lokr_w2": second}).difference(some(8, 15, 3, 3), 1.0), expected)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3, 3)])
def test_magnitude(shape):
    weight, down, up = some(*shape), some(RANK, *shape[1:]), some(6, RANK, *[1] * (len(shape) - 2))
    magnitude = np.abs(some(6)) + 1
    changed = weight + 0.5 * (up.reshape(6, RANK) @ down.reshape(RANK, -1)).reshape(shape)
    expected = np.stack([m * row / np.linalg.norm(row) for m, row in zip(magnitude, changed, strict=True)]) - weight
    near(Layer("x", {"down": down, "up": up, "magnitude": magnitude}).difference(weight, 0.5), expected)


def test_magnitude_of_inputs():
    weight, down, up, magnitude = some(6, 5), some(RANK, 5), some(6, RANK), np.abs(some(1, 5)) + 1
    changed = weight + up @ down
    expected = magnitude * changed / np.linalg.norm(changed, axis=0) - weight
    near(Layer("x", {"down": down, "up": up, "magnitude": magnitude}).difference(weight, 1.0), expected)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ({"down": some(RANK, 5), "up": some(6, RANK + 1)}, "matrices of rank 3 and 4: expected one rank"),
        ({"down": some(RANK, 4), "up": some(6, RANK)}, r"a difference of \[6, 4\]: expected \[6, 5\]"),
        ({"down": some(RANK, 5)}, "has down: expected the two"),
        ({"down": some(5), "up": some(6, RANK)}, r"a piece of \[5\]: expected a matrix"),
        ({"down": some(0, 5), "up": some(6, 0)}, "matrices of rank 0 and 0"),
        ({"down": some(RANK, 5), "up": some(6, RANK), "magnitude": some(7)}, r"a magnitude of \[7\]"),
        ({"lokr_w1": some(2, 5), "lokr_w2": some(2, 1)}, r"a difference of \[4, 5\]"),
        ({"lokr_w1": some(2, 5), "lokr_w2_a": some(3, 1)}, "lacks one of two matrices"),
    ],
)
def test_what_does_not_fit_is_refused_without_being_computed(pieces, words):
    with pytest.raises(AdapterError, match=words):
        Layer("x", pieces).check((6, 5))


CUT = {
    "lora": {"down": some(RANK, 4), "up": some(6, RANK), "magnitude": np.abs(some(6)) + 1},
    "diff": {"diff": some(6, 4)},
    "loha": {"hada_w1_a": some(6, RANK), "hada_w1_b": some(RANK, 4), "hada_w2_a": some(6, 2), "hada_w2_b": some(2, 4)},
    "lokr": {"lokr_w1": some(3, 2), "lokr_w2": some(2, 2)},
}


@pytest.mark.parametrize("kind", CUT)
@pytest.mark.parametrize("rows", [(slice(2, 5),), (slice(3, None), slice(3))], ids=["part", "halves"])
def test_a_part_of_the_outputs(kind, rows):
    """As if the whole had been computed, and its rows taken."""
    weight, order = some(6, 4), np.concatenate([np.arange(6)[one] for one in rows])
    expected = Layer("x", CUT[kind]).difference(weight, 0.5)[order]
    part = Layer("x", CUT[kind], rows=rows, whole=6)
    part.check((len(order), 4))
    near(part.difference(weight[order], 0.5), expected)


def test_a_magnitude_of_inputs_needs_all_outputs():
    layer = Layer("x", {"down": some(2, 4), "up": some(6, 2), "magnitude": some(1, 4)}, rows=(slice(3),), whole=6)
    with pytest.raises(AdapterError, match=r"a magnitude of \[1, 4\]: expected a number for each of 6 outputs"):
        layer.check((3, 4))
