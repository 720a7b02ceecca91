"""A model without text in int8: calibrated, measured, verified; and drawn with by the command without torch."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import diffusers
import numpy as np
import pytest
from PIL import Image

import edgediff
from edgediff_exporters import TrialOptions, export
from edgediff_exporters.opening import open_model
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import SettingError, SourceError

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


def _lone(folder, **fields):
    """A U-Net and its scheduler beside the index, as the first models of diffusers were published."""
    unet = diffusers.UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
    )
    unet.save_pretrained(folder)
    diffusers.DDPMScheduler().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fields}))
    index = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDPMScheduler"]}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline", **index}))
    return unet


def test_a_lone_network_beside_its_index_is_found(tmp_path):
    unet = _lone(tmp_path)
    opened = open_model(tmp_path, config=None)
    assert [plan.role for plan in opened.plans] == ["unet"]
    assert (opened.defaults.width, opened.recipe.first.space.multiple) == (16, 2)
    assert opened.scheduler(steps=4)["_class_name"] == "DDPMScheduler"
    assert opened.source.weights("unet").tensors.keys() == unet.state_dict().keys()
    assert [path.name for path in opened.source.files] == ["diffusion_pytorch_model.safetensors"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"out_channels": 4}, "takes 3 channels and gives 4: expected as many, or twice as many"),
        ({"class_embed_type": "timestep"}, "`class_embed_type` is `timestep`: expected null"),
        ({"time_embedding_type": "learned"}, "`time_embedding_type` is `learned`: expected positional or fourier"),
        ({"in_channels": 4, "out_channels": 4}, "`unet/config.json.in_channels` is 4: expected 1 or 3"),
        ({"_class_name": "UNet1DModel"}, "`unet` is of the class `UNet1DModel`: expected UNet2DModel"),
    ],
    ids=str,
)
def test_a_unet_that_cannot_be_used_is_refused(tmp_path, fields, sentence):
    _lone(tmp_path, **fields)
    with pytest.raises(SourceError) as caught:
        open_model(tmp_path, config=None)
    assert sentence in caught.value.sentence


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
