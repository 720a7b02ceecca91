"""Enlarging in tiles with a network of tokens, whose positions are those of a tile: FLUX's graphs as functions."""

from __future__ import annotations

import zipfile

import numpy as np

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement

FACTOR, CHANNELS = 2, 4  # of the tiny model's autoencoder


def _zeros(*shape):
    return np.zeros(shape, np.float32)


def _answer(role, feeds, seen):
    first = next(iter(feeds.values()))
    if role == "transformer":
        tokens = first.shape[1]
        seen.append((tokens, feeds["img_ids"].shape[0], feeds["img_ids"].max(axis=0)[1:].tolist()))
        return {"out_hidden_states": first * np.float32(0.5)}
    if role == "vae_encoder":
        height, width = (side // FACTOR for side in first.shape[-2:])
        return {"latent_parameters": np.full((1, 2 * CHANNELS, height, width), 0.25, np.float32)}
    if role == "vae_decoder":
        return {"sample": _zeros(len(first), 3, *(side * FACTOR for side in first.shape[-2:]))}
    rows, tokens = first.shape
    return {"last_hidden_state": _zeros(rows, tokens, 8), "pooler_output": _zeros(rows, 8)}


def test_positions_are_those_of_a_tile(golden, tmp_path):
    with zipfile.ZipFile(golden / "families" / "flux-dev.zip") as archive:
        archive.extractall(tmp_path)
    seen = []
    engine = FakeEngine(lambda role, feeds: _answer(role, feeds, seen))
    with Pipeline(Bundle.open(tmp_path / "bundle"), Placement(engine=engine)) as pipeline:
        options = {"seed": 3, "steps": 3, "strength": 0.7, "width": 32, "height": 16, "enlarge": 2}
        whole = pipeline("a", **options)
        drawn = [(tokens, ids, tuple(last)) for tokens, ids, last in seen]
        assert {*drawn} == {(32, 32, (3.0, 7.0)), (128, 128, (7.0, 15.0))}
        seen.clear()
        tiled = pipeline("a", **options, tile=16)
        drawn = [(tokens, ids, tuple(last)) for tokens, ids, last in seen]
        assert {*drawn} == {(32, 32, (3.0, 7.0)), (16, 16, (3.0, 3.0))}
    assert tiled.images[0].size == (64, 32)
    assert tiled.latents.shape == whole.latents.shape
