"""What the runtime's tests share: a tiny bundle, and an engine of NumPy functions for it."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from edgediff_runtimes.bundle import Bundle, Manifest
from edgediff_runtimes.engines import FakeEngine

sys.path.insert(0, str(Path(__file__).parent))  # grown_bundles, fake_ncnn
FREQUENCIES = np.linspace(0.01, 0.3, 8, dtype=np.float32)


@pytest.fixture(scope="session")
def golden():
    """The directory of committed goldens."""
    return Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def tiny(golden):
    """The committed bundle; not to be written to."""
    return Bundle.open(golden / "bundle")


@pytest.fixture
def bundle_dir(golden, tmp_path):
    """A copy of the bundle to do harm to."""
    return shutil.copytree(golden / "bundle", tmp_path / "bundle")


@pytest.fixture
def manifest_values(golden):
    """The manifest as a dict to do harm to."""
    return json.loads((golden / "bundle" / "edgediff.json").read_text(encoding="utf-8"))


@pytest.fixture
def manifest(manifest_values):
    return Manifest.from_json(json.dumps(manifest_values))


def _text_encoder(feeds):
    return {"last_hidden_state": np.sin(feeds["input_ids"][..., None].astype(np.float32) * FREQUENCIES)}


def _unet(feeds):
    shift = feeds["encoder_hidden_states"].mean(axis=1)[:, :4, None, None]
    return {"out_sample": np.float32(0.5) * feeds["sample"] + shift + np.float32(1e-4) * feeds["timestep"]}


def _vae_decoder(feeds):
    colours = feeds["latent_sample"][:, :3] * np.float32(0.2)
    return {"sample": np.tanh(colours).repeat(8, axis=2).repeat(8, axis=3)}


def _vae_encoder(feeds):
    batch, _, height, width = feeds["sample"].shape
    means = feeds["sample"].reshape(batch, 3, height // 8, 8, width // 8, 8).mean(axis=(3, 5))
    return {"latent_parameters": np.concatenate([means, means[:, :1], np.full_like(means, -4.0), means[:, :1]], axis=1)}


@pytest.fixture
def answers():
    """What each component of the tiny bundle answers: role -> function of the feeds. Replace an entry to change it."""
    return copy.copy(
        {"text_encoder": _text_encoder, "unet": _unet, "vae_decoder": _vae_decoder, "vae_encoder": _vae_encoder}
    )


@pytest.fixture
def calls():
    """Every call of the fake engine so far: (role, shapes of the feeds)."""
    return []


@pytest.fixture
def fake_engine(answers, calls):
    """An engine of functions; ``answers`` says what they do, ``calls`` what was asked."""

    def handler(role, feeds):
        calls.append((role, {name: array.shape for name, array in feeds.items()}))
        return answers[role](feeds)

    return FakeEngine(handler)
