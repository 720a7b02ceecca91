"""Lone checkpoints without ``--config``, and components from elsewhere, as far as the pictures.

A bundle exported from the files that those who trained the model publish is the very bundle of the directory that
diffusers saves, and draws what diffusers draws with that. The configs are the shipped ones with other sizes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_editions as small
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from drawn_by_families import module_of

import edgediff
from edgediff.cli import group

HERE = Path(__file__).parent
BOUND, LEVELS = 1e-3, 2
PLAN = (5.0, "dull", 1, (48, 40))
DEFAULTS = {"steps": 4, "guidance": 5.0}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.nightly,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def models():
    return module_of(HERE.parent / "exporters" / "conftest.py")


@pytest.fixture(scope="module", autouse=True)
def _traced_once(models, shared):
    with models.traced_once(shared):
        yield


@pytest.fixture
def edition(request, shared, models):
    """A small edition, and the folder with its directory and its files; not to be written to."""
    edition = small.EDITIONS[request.param]
    made = shared(
        f"edition-{edition.layout}",
        lambda folder: small.write(edition, folder, perturb=models.perturb, tokenizer=models.write_tokenizer),
    )
    return edition, made


def lacking(edition, folder):
    """What the checkpoint lacks, by component."""
    return {role: folder / name for role, name in edition.components.items()}


def drawn(bundle, model, *, start="noise"):
    prompt, options = model.asked(PLAN, start=start)
    with edgediff.load(bundle) as pipeline:
        return pipeline(prompt, **options)


def assert_near(result, latents, images):
    assert result.latents.shape == latents.shape
    assert np.abs(result.latents - latents).max() <= BOUND * np.abs(latents).max()
    for ours, theirs in zip(result.images, images, strict=True):
        assert np.abs(np.asarray(ours, np.int16) - np.asarray(theirs, np.int16)).max() <= LEVELS


@pytest.mark.parametrize("edition", small.EDITIONS, indirect=True)
def test_a_lone_checkpoint_draws_what_its_directory_draws(edition, tmp_path):
    edition, folder = edition
    whole = edgediff.export(folder / "directory", tmp_path / "whole", defaults=DEFAULTS)
    with small.shipped(edition, folder):
        lone = edgediff.export(
            folder / edition.checkpoint,
            tmp_path / "lone",
            components=lacking(edition, folder),
            defaults=DEFAULTS,
        )
    assert lone.manifest.components == whole.manifest.components  # hashes of graphs and weights included
    assert lone.manifest.recipe == whole.manifest.recipe
    assert lone.manifest.scheduler == whole.manifest.scheduler
    found, expected = drawn(tmp_path / "lone", edition.like), drawn(tmp_path / "whole", edition.like)
    np.testing.assert_array_equal(found.latents, expected.latents)
    np.testing.assert_array_equal(np.asarray(found.images[0]), np.asarray(expected.images[0]))
    pipeline = edition.like.load(folder / "directory")
    assert_near(found, *edition.like.drawn(pipeline, PLAN, start="noise"))


@pytest.fixture
def tiny(edition, shared):
    """A tiny autoencoder of the edition's channels, and a bundle that the command makes with it in place of the VAE."""
    edition, folder = edition

    def make(made):
        torch.manual_seed(3)
        channels = AutoencoderKL.load_config(folder / "directory" / "vae")["latent_channels"]
        widths = {f"{half}_block_out_channels": (8, 8) for half in ("encoder", "decoder")}
        AutoencoderTiny(
            latent_channels=channels, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1), **widths
        ).save_pretrained(made / "taesd")
        parts = lacking(edition, folder) | {"vae": made / "taesd"}
        options = [f"--component={role}={place}" for role, place in parts.items()]
        options += [f"--default={field}={number}" for field, number in DEFAULTS.items()]
        with small.shipped(edition, folder):
            group.main(
                ["export", str(folder / edition.checkpoint), str(made / "bundle"), *options], standalone_mode=False
            )

    return shared(f"tiny-{edition.layout}", make)


# That of Stable Diffusion: tests/exporters/test_replacing.py.
@pytest.mark.parametrize("edition", small.EDITIONS, indirect=True)
@pytest.mark.parametrize("start", ["noise", "image"])
def test_a_tiny_autoencoder_draws_as_in_diffusers(edition, tiny, start):
    edition, folder = edition
    pipeline = edition.like.load(folder / "directory")
    pipeline.vae = AutoencoderTiny.from_pretrained(tiny / "taesd")
    expected = edition.like.drawn(pipeline, PLAN, start=start)
    assert_near(drawn(tiny / "bundle", edition.like, start=start), *expected)
