"""An ``AutoencoderTiny`` beside a model's own autoencoder: exported, chosen by the caller, equal to diffusers' own."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from PIL import Image

import edgediff
from edgediff import cli
from edgediff_exporters.families import ADMITTED
from edgediff_exporters.opening import open_model
from edgediff_exporters.precision import precision_by_role
from edgediff_runtimes import families
from edgediff_runtimes.bundle import Bundle, Manifest
from edgediff_runtimes.errors import SettingError, SourceError
from edgediff_runtimes.families.latents import TINY
from edgediff_runtimes.images import array_to_image
from edgediff_runtimes.infotext import infotext
from edgediff_runtimes.recipe.declarations import Affine, Graph, Pictures
from edgediff_runtimes.settings.resolve import options_of

ASKED = {"steps": 2, "seed": 3, "width": 24, "height": 16}
FAMILIES = {
    "stable_diffusion_xl": {},
    "stable_diffusion_xl ": {"variant": "-refiner"},
    "stable_diffusion_3": {"variant": "-without-t5"},
    "flux": {"variant": "-dev"},
    "kolors": {},
}


def _tiny(folder, *, channels=4, blocks=2):
    torch.manual_seed(3)
    each = {"block_out_channels": (8,) * blocks, "blocks": (1,) * blocks}
    AutoencoderTiny(
        latent_channels=channels,
        encoder_block_out_channels=each["block_out_channels"],
        decoder_block_out_channels=each["block_out_channels"],
        num_encoder_blocks=each["blocks"],
        num_decoder_blocks=each["blocks"],
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def taesd(tmp_path_factory):
    return _tiny(tmp_path_factory.mktemp("tiny") / "taesd")


@pytest.fixture(scope="module")
def bundle(sd1, taesd, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    edgediff.export(sd1, folder, components={"tiny_decoder": taesd})
    return folder


def _pictures(module, latents):
    with torch.no_grad():
        return module.decode(torch.from_numpy(latents)).sample.numpy()


def _levels(images, expected):
    return max(
        np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max()
        for one, other in zip(images, map(array_to_image, expected), strict=True)
    )


def test_each_decoder_decodes_as_in_diffusers(sd1, taesd, bundle):
    with edgediff.load(bundle) as drawing:
        tiny = drawing(["a fox", "a cat"], decoder="tiny", **ASKED)
        full = drawing(["a fox", "a cat"], **ASKED)
    assert np.array_equal(tiny.latents, full.latents)
    assert _levels(tiny.images, _pictures(AutoencoderTiny.from_pretrained(taesd), tiny.latents)) <= 1
    vae = AutoencoderKL.from_pretrained(sd1 / "vae")
    assert _levels(full.images, _pictures(vae, full.latents / vae.config.scaling_factor)) <= 1
    assert np.abs(np.asarray(tiny.images[0], int) - np.asarray(full.images[0], int)).max() > 8


def test_the_decoder_that_is_not_asked_for_is_not_loaded(bundle):
    with edgediff.load(bundle) as drawing:
        assert drawing("a fox", decoder="tiny", **ASKED).computed.keys() == {"text_encoder", "unet", "tiny_decoder"}
        assert "vae_decoder" not in drawing._components._sessions
    with edgediff.load(bundle) as drawing:
        assert drawing("a fox", **ASKED).computed.keys() == {"text_encoder", "unet", "vae_decoder"}
        assert "tiny_decoder" not in drawing._components._sessions


def test_a_result_says_which_decoder_and_is_drawn_again_with_it(bundle):
    with edgediff.load(bundle) as drawing:
        result = drawing("a fox", decoder="tiny", **ASKED)
        metadata = json.loads(json.dumps(result.metadata(0)))
        assert metadata["settings"]["decoder"] == "tiny"
        assert "Decoder: tiny" in infotext(metadata)
        prompt, options = options_of(metadata["settings"])
        again = drawing(prompt, **options)
        assert drawing("a fox", **ASKED).settings.decoder == "full"
    assert again.images[0].tobytes() == result.images[0].tobytes()


def test_the_command_decodes_with_it(bundle, tmp_path, capsys):
    asked = ("run", "a fox", "-m", str(bundle), "--json", "--size", "24x16", "--steps", "2", "--seed", "3")
    cli.group.main([*asked, "--decoder", "tiny", "-o", str(tmp_path / "x.png")], standalone_mode=False)
    (report,) = json.loads(capsys.readouterr().out)
    assert report["settings"]["decoder"] == "tiny"
    assert "tiny_decoder" in report["computed"]
    assert "vae_decoder" not in report["computed"]
    with edgediff.load(bundle) as drawing, Image.open(tmp_path / "x.png") as picture:
        assert picture.tobytes() == drawing("a fox", decoder="tiny", **ASKED).images[0].tobytes()


def test_it_is_decoded_in_tiles_and_previews_stay(bundle):
    recipe = Bundle.open(bundle).manifest.recipe
    assert recipe.first.space.preview is not None
    assert [part.tiled for part in recipe.first.tiny if isinstance(part, Graph)] == [True]
    assert "tiny_decoder" not in recipe.drawing
    assert recipe.duties["tiny_decoder"] == "tiny"


def test_the_manifest_keeps_it_and_the_index_is_that_of_others(bundle):
    manifest = Bundle.open(bundle).manifest
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.provenance.components["tiny_decoder"].source == "taesd"
    assert "tiny_decoder" not in json.loads((bundle / "model_index.json").read_text("utf-8"))


def test_a_bundle_without_one_refuses_it(exported):
    with (
        edgediff.load(exported("sd1").path) as drawing,
        pytest.raises(SettingError, match="`decoder` is 'tiny': expected `full`, because the bundle has no") as caught,
    ):
        drawing("a fox", decoder="tiny", **ASKED)
    assert "--component tiny_decoder=DIR" in caught.value.hint


def test_families_that_may_have_one_are_those_that_are_admitted_with_one():
    assert {family.name for family in families.FAMILIES if family.small_decoder} == {
        name for name, admitted in ADMITTED.items() if TINY in admitted.classes
    }


def test_other_decoders_are_refused(bundle):
    with edgediff.load(bundle) as drawing, pytest.raises(SettingError, match="expected `full` or `tiny`"):
        drawing("a fox", decoder="small", **ASKED)


@pytest.mark.parametrize(
    ("channels", "blocks", "sentence"),
    [(8, 2, "has 8 channels of latents: expected 4"), (4, 3, "has 4 pixels along one side of a latent pixel")],
)
def test_one_for_other_latents_is_refused(sd1, tmp_path, channels, blocks, sentence):
    with pytest.raises(SourceError, match=sentence):
        open_model(sd1, config=None, components={"tiny_decoder": _tiny(tmp_path, channels=channels, blocks=blocks)})


def test_another_autoencoder_is_refused_in_its_place(sd1):
    with pytest.raises(SourceError, match="`tiny_decoder` is of the class `AutoencoderKL`: expected AutoencoderTiny"):
        open_model(sd1, config=None, components={"tiny_decoder": sd1 / "vae"})


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_of_such_latents_takes_one(small, tmp_path, family):
    source = small(family.strip(), **FAMILIES[family])
    config = json.loads((source / "vae" / "config.json").read_text("utf-8"))
    folder = _tiny(tmp_path, channels=config["latent_channels"], blocks=len(config["block_out_channels"]))
    opened = open_model(source, config=None, components={"tiny_decoder": folder})
    assert [plan.role for plan in opened.plans][-1] == "tiny_decoder"
    for stage in opened.recipe.stages:
        scaling, graph, end = stage.tiny
        assert scaling == Affine("x", "latents")  # its latents are scaled, and shifted, already
        assert (graph.role, end) == ("tiny_decoder", Pictures("pixels"))
        assert stage.result[0] != scaling
    assert "decoder" in opened.recipe.options
    assert "decoder" not in open_model(source, config=None).recipe.options


@pytest.mark.parametrize(
    ("precision", "expected"), [("int8", "w8"), ("mixed", "w8"), ("w4", "w8"), ("fp16", "fp16"), ("w8", "w8")]
)
def test_as_a_whole_a_precision_needs_no_calls_of_it(precision, expected):
    assert precision_by_role(precision, {"unet": "network", "tiny_decoder": "tiny"})["tiny_decoder"] == expected


def test_it_is_not_calibrated():
    with pytest.raises(SettingError, match="`precision` is 'tiny_decoder=int8': expected w8, because no picture"):
        precision_by_role({"tiny_decoder": "int8"}, {"unet": "network", "tiny_decoder": "tiny"})
