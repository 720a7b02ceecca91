"""What an input of a graph is fed when the graph is checked."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from edgediff_exporters.families import GraphInput  # noqa: E402 - after the skip


def _mask(padding):
    item = GraphInput("attention_mask", torch.int64, ("batch", "sequence"), padding=padding)
    mask = item.draw({"batch": 40, "sequence": 9}, torch.Generator().manual_seed(0))
    assert mask.dtype == torch.int64
    assert (mask.sum(1) >= 1).all()  # a text without a token does not exist
    assert len(mask.sum(1).unique()) > 1
    return mask


def test_a_mask_padded_at_the_right_is_ones_and_then_zeros():
    mask = _mask("right")
    assert torch.equal(mask, mask.sort(dim=1, descending=True).values)


def test_a_mask_padded_at_either_side_has_rows_of_both_kinds():
    mask = _mask("either")
    assert torch.equal(mask[::2], mask[::2].sort(dim=1, descending=True).values)
    assert torch.equal(mask[1::2], mask[1::2].sort(dim=1).values)


def test_whole_numbers_are_drawn_for_floats_too():
    places = GraphInput("ids", torch.float32, ("tokens", 3), below=5)
    drawn = places.draw({"tokens": 40}, torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.float32
    assert set(drawn.flatten().tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0}
