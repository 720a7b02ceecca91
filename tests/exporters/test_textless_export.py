"""A model without text in int8: calibrated, measured, verified; and drawn with by the command without torch."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgediff
from edgediff_exporters import TrialOptions, export
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import SettingError

TESTS = Path(__file__).parents[1]
_WITHOUT = "import sys; sys.modules.update(dict.fromkeys(['torch', 'diffusers', 'transformers']))\n"


def _module(path):
    spec = importlib.util.spec_from_file_location(f"of_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The DiT that is compared with diffusers."""
    case, models = _module(TESTS / "parity" / "families" / "dit.py"), _module(TESTS / "exporters" / "conftest.py")
    folder = tmp_path_factory.mktemp("dit") / "source"
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps(case.build(folder, tokenizer=None, perturb=models.perturb)))
    return folder


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    place = tmp_path_factory.mktemp("textless") / "bundle"
    trials = TrialOptions(calibration_pictures=3, evaluation_pictures=2, trial_steps=3, min_psnr=15)
    return export(source, place, precision={"transformer": "int8", "vae_decoder": "w8"}, trials=trials)


def test_it_is_calibrated_and_measured_with_labels(made):
    quality = made.manifest.quality
    assert [picture.prompt for picture in quality.pictures] == ["27", "111"]
    assert made.manifest.components["transformer"].operators["MatMul"].quantised_activations > 0
    assert quality.psnr_db.mean > 15
    assert {*quality.components} == {"transformer", "vae_decoder"}
    assert edgediff.verify(made.path).figures


def test_it_opens_as_what_it_is(made):
    recipe = Bundle.open(made.path).manifest.recipe
    assert recipe.labels.names["tinca tinca"] == 0
    assert (recipe.labels.below, recipe.labels.null, recipe.tokenizers) == (1000, 1000, ())


def test_the_command_draws_where_there_is_no_torch(made, tmp_path):
    arguments = ["run", "-m", made.path, "--label", "golden retriever", "--steps", "3", "--seed", "1", "-o", "x.png"]
    code = f"{_WITHOUT}from edgediff.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    picture = np.asarray(Image.open(tmp_path / "x.png"))
    assert picture.shape == (16, 16, 3)
    assert picture.std() > 5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"defaults": {"width": 64}}, "expected none for `width`, which the model does not take"),
        ({"precision": "int8", "trials": TrialOptions(calibrate=["207", "cat"])}, "`class_label` is 'cat'"),
    ],
    ids=str,
)
def test_what_the_model_does_not_take_is_refused_before_anything_is_made(source, tmp_path, options, sentence):
    with pytest.raises(SettingError, match=sentence):
        export(source, tmp_path / "bundle", **options)
    assert not list(tmp_path.iterdir())
