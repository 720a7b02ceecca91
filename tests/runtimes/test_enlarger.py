"""Graphs that enlarge: what they give, in tiles, and which are refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.enlarger import Enlarger
from edgediff_runtimes.errors import Cancelled, EngineError, SettingError


@pytest.mark.parametrize("size", [(48, 20), (201, 3), (390, 250)])
def test_every_pixel_becomes_a_square(golden, size):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    enlarger = Enlarger(golden / "engines" / "twice.onnx")
    assert enlarger.scale == 2
    got = np.asarray(enlarger(Image.fromarray(pixels)))
    np.testing.assert_array_equal(got, pixels.repeat(2, axis=0).repeat(2, axis=1))
    enlarger.close()


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("add.onnx", "2 inputs and 1 outputs"),
        ("half.onnx", "a: float16"),
        ("same.onnx", "[1, 3, 16, 24] for a picture of 24x16 pixels"),
    ],
)
def test_another_graph_is_refused(golden, name, got):
    with pytest.raises(SettingError) as caught:
        Enlarger(golden / "engines" / name)
    assert f"`enlarger` is '{name}: {got}" in caught.value.sentence
    assert "expected a graph that takes one picture" in caught.value.sentence


def test_what_is_no_graph_is_refused(golden, tmp_path):
    with pytest.raises(SettingError, match="expected an ONNX file"):
        Enlarger(tmp_path / "none.onnx")
    with pytest.raises(SettingError, match="expected the path of an ONNX file"):
        Enlarger(3)
    shutil.copy(golden / "engines" / "add.onnx", tmp_path / "add.pth")
    with pytest.raises(SettingError, match="expected an ONNX file"):
        Enlarger(tmp_path / "add.pth")
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(EngineError, match="cannot load `enlarger`"):
        Enlarger(tmp_path / "text.onnx")


def test_it_is_cancelled(golden):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        Enlarger(golden / "engines" / "twice.onnx")(Image.new("RGB", (16, 16)), cancel=cancel)
