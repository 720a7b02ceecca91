"""``edgediff run --enlarge``: what is drawn, repeated and refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import edgediff
from edgediff_runtimes.enlarger import Enlarger
from edgediff_runtimes.errors import AdapterError
from edgediff_runtimes.picture_files import read_metadata

DRAW = ["--seed", "7", "--steps", "2"]


def _pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("tile", [(), ("--tile", "64")], ids=["whole", "tiles"])
def test_a_drawing_is_enlarged_and_drawn_again(command, bundle, tmp_path, tile):
    path, again = tmp_path / "x.png", tmp_path / "again.png"
    outcome = command("run", "a", "-m", bundle, "-o", path, "--enlarge", "2", "--json", *tile, *DRAW)
    (report,) = json.loads(outcome.out)
    assert (report["settings"]["enlarge"], report["settings"]["strength"]) == (2.0, 0.5)
    assert len(report["timings"]["steps_s"]) == 3
    assert _pixels(path).shape == (128, 128, 3)
    assert command("run", "--repeat", path, "-m", bundle, "-o", again).code == 0
    np.testing.assert_array_equal(_pixels(again), _pixels(path))
    outcome = command("run", "--repeat", path, "-m", bundle, "-o", again, "--enlarger", tmp_path / "x.onnx")
    assert outcome.code == 2
    assert "was drawn without --enlarger" in outcome.err
    with Image.open(path) as image:
        assert "Denoising strength: 0.5, Hires upscale: 2" in image.info["parameters"]


def test_a_picture_is_enlarged_by_a_graph_and_drawn_again(command, bundle, golden, picture, tmp_path):
    path, again, enlarger = tmp_path / "x.png", tmp_path / "again.png", golden / "engines" / "twice.onnx"
    given = ["--image", picture, "--enlarger", enlarger]
    assert command("run", "a", "-m", bundle, "-o", path, "--enlarge", "2", *given, *DRAW).code == 0
    assert read_metadata(path)["enlarger"].startswith("twice.onnx ")
    outcome = command("run", "--repeat", path, "-m", bundle, "-o", again, "--image", picture)
    assert outcome.code == 2
    assert "was drawn with an enlarger (twice.onnx " in outcome.err
    other = shutil.copy(enlarger, tmp_path / "other.onnx")
    with other.open("ab") as file:
        file.write(b"\x72\x00")  # an empty field of metadata
    outcome = command("run", "--repeat", path, "-m", bundle, "-o", again, "--image", picture, "--enlarger", other)
    assert outcome.code == 2
    assert "was drawn with an enlarger (twice.onnx " in outcome.err
    assert command("run", "--repeat", path, "-m", bundle, "-o", again, *given).code == 0
    np.testing.assert_array_equal(_pixels(again), _pixels(path))


def test_a_graph_is_let_go_of_where_no_pipeline_comes_of_it(bundle, golden, monkeypatch, tmp_path):
    closed = []

    def close(self):
        closed.append(self)

    monkeypatch.setattr(Enlarger, "close", close)
    with pytest.raises(AdapterError):
        edgediff.load(bundle, enlarger=golden / "engines" / "twice.onnx", loras=[tmp_path / "none.safetensors"])
    assert len(closed) == 1


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["--enlarge", "1"], 1, "`enlarge` is 1.0: expected a number above 1 and at most 8"),
        (["--enlarge", "2", "--tile", "8"], 1, "`tile` is 8: expected a whole number of pixels from 64, or `auto`"),
        (["--enlarger", "x.onnx"], 2, "--enlarger has no effect without --enlarge"),
        (
            ["--enlarge", "2", "--enlarger", "x.onnx"],
            1,
            "`enlarger` is 'x.onnx, which does not exist': expected an ONNX file",
        ),
        (
            ["--noise-level", "20"],
            1,
            "`--noise-level` is 20: expected nothing, because there is no image",
        ),
        (["--upscale", "2"], 2, "it is called --enlarge here"),
    ],
)
def test_what_cannot_be_done_is_refused(command, bundle, tmp_path, args, code, sentence):
    outcome = command("run", "a", "-m", bundle, "-o", tmp_path / "x.png", *args)
    assert (outcome.code, outcome.out) == (code, "")
    assert sentence in outcome.err
    assert not (tmp_path / "x.png").exists()
