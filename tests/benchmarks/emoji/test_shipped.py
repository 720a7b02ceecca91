"""What ships is what ``ship.py`` makes of the pipelines kept here, and draws what they draw."""

from __future__ import annotations

import pytest
import torch

from benchmarks.models.emoji.artists import BundleArtist, TorchArtist, open_artist
from benchmarks.models.emoji.compare import distance
from benchmarks.models.emoji.ship import DEFAULTS, PIPELINES, PRECISION, SHIPPED
from edgediff.api import open_bundle, shipped_models
from edgediff_exporters.provenance import source_hash
from edgediff_exporters.sources import open_source

PROMPTS = ["a red apple", "a fox face", "a sailboat"]
pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning")  # of the libraries


def test_both_models_ship():
    assert set(shipped_models()) == set(DEFAULTS)


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_shipped_bundle_is_of_the_pipeline_that_is_kept(name):
    bundle = open_bundle(name)
    bundle.check_hashes()
    manifest = bundle.manifest
    assert manifest.provenance.source_sha256 == source_hash(open_source(PIPELINES / name))
    assert bundle.locate("README.md").read_bytes() == (PIPELINES / name / "README.md").read_bytes()
    assert manifest.provenance.licence == "apache-2.0"
    assert {part.precision for part in manifest.components.values()} == {PRECISION}
    assert {key: getattr(manifest.defaults, key) for key in DEFAULTS[name]} == DEFAULTS[name]
    quantised = [count.quantised_weights for part in manifest.components.values() for count in part.operators.values()]
    assert sum(quantised) > 150
    assert manifest.quality.psnr_db.mean > 40


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_shipped_bundle_draws_what_torch_draws(name, figure):
    torch_artist, artist = (
        open_artist(folder / name, steps=4, guidance=DEFAULTS[name]["guidance"]) for folder in (PIPELINES, SHIPPED)
    )
    assert isinstance(torch_artist, TorchArtist)
    assert isinstance(artist, BundleArtist)
    drawn, reference = (one.draw(PROMPTS, seed=2) for one in (artist, torch_artist))
    assert drawn.shape == (3, 64, 64, 3)
    found = distance(drawn, reference)
    figure(f"{name} as it ships, 4 steps, against torch in fp32: {found['psnr_db_mean']:.1f} dB")
    assert found["psnr_db_worst"] > 36
    assert found["equal"] < 1
    assert distance(drawn, drawn)["equal"] == 1


def test_a_picture_does_not_depend_on_its_neighbours():
    artist = open_artist(SHIPPED / "emoji-lcm", steps=2, guidance=1)
    many, one = artist.draw(PROMPTS, seed=5), artist.draw(PROMPTS[:1], seed=5)
    torch.testing.assert_close(many[:1], one, atol=1.5 / 255, rtol=0)
