"""A large text encoder is named before anything is exported, with the option that makes it smaller."""

from __future__ import annotations

import warnings

import pytest

from edgediff_exporters import advice, export
from edgediff_exporters.advice import LargeTextEncoderWarning, advise
from edgediff_exporters.opening import open_model
from edgediff_exporters.precision import precision_by_role


@pytest.fixture
def told(sd1, monkeypatch):
    """``told(precision, large)``: the advice for ``sd1`` where so many bytes are large."""
    opened = open_model(sd1, config=None)

    def told(precision, large):
        monkeypatch.setattr(advice, "_LARGE", large)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", LargeTextEncoderWarning)
            advise(opened, precision_by_role(precision, opened.recipe.duties))
        return [str(one.message) for one in caught]

    return told


def test_the_encoder_is_named_and_the_option(told):
    (words,) = told("fp16", 1)  # the U-Net and the VAE are larger, and are no text encoders
    assert words.startswith("`text_encoder` has ")
    assert "GB in fp16" in words
    assert 'with `precision={"text_encoder": "w8"}` it takes' in words


@pytest.mark.parametrize(("precision", "width"), [("fp32", 4), ("w16", 2), ("fp16", 2)])
def test_what_counts_is_what_is_stored(told, sd1, precision, width):
    stored = width * sum(
        t.numel() for t in open_model(sd1, config=None).source.weights("text_encoder").tensors.values()
    )
    assert len(told(precision, stored)) == 1
    assert told(precision, stored + 1) == []


@pytest.mark.parametrize("precision", ["w8", "w4", "int8", "mixed"])  # as a whole, each makes it `w8`
def test_one_that_is_quantised_needs_no_advice(told, precision):
    assert told(precision, 1) == []


def test_an_export_says_it_before_it_writes(sd1, tmp_path, monkeypatch):
    monkeypatch.setattr(advice, "_LARGE", 1)
    with pytest.raises(LargeTextEncoderWarning, match="text_encoder"):  # warnings are errors here
        export(sd1, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []
