"""From pictures to latents: the encoder's Gaussian, scaled and shifted."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.bundle import Latents
from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.components import Loaded
from edgediff_runtimes.engines import EngineOptions, FakeEngine, Graph
from edgediff_runtimes.latents import encode
from edgediff_runtimes.noise import noise_source, per_image
from edgediff_runtimes.tensors import TensorSpec

SPACE = Latents(channels=4, factor=8, scaling=0.25, shift=0.125)
SEEDS = (3, 4, 5)


@pytest.fixture
def moments():
    """Mean and log-variance; some of the latter are beyond the range that is used."""
    values = np.random.default_rng(0).standard_normal((1, 8, 6, 5))
    values[:, 4:] *= 3
    values[0, 4, 0, 0], values[0, 4, 0, 1] = -1000, 30
    return values.astype(np.float32)


@pytest.fixture
def encoded(tmp_path, moments):
    graph = Graph("vae_encoder", tmp_path, "onnx", (TensorSpec("sample", "float32", ("batch", 3, "h", "w")),))
    engine = FakeEngine(lambda _role, _feeds: {"latent_parameters": moments})
    loaded = Loaded("vae_encoder", engine.load(graph, device="auto", options=EngineOptions()))
    return lambda mode, rng: encode(
        loaded,
        np.zeros((1, 3, 48, 40), np.float32),
        SPACE,
        batch=len(SEEDS),
        mode=mode,
        rng=rng,
        cancel=CancelToken(),
    )


def _sources():
    return per_image([noise_source(seed) for seed in SEEDS])


def test_a_sample_is_mean_plus_deviation_times_noise(encoded, moments):
    got = encoded("sample", _sources())
    mean, logvar = moments[0, :4].astype(np.float64), moments[0, 4:].astype(np.float64)
    for i, seed in enumerate(SEEDS):
        noise = noise_source(seed).standard_normal((1, 4, 6, 5))[0]
        sample = mean + np.sqrt(np.exp(np.clip(logvar, -30, 20))) * noise
        np.testing.assert_allclose(got[i], (sample - 0.125) * 0.25, rtol=1e-5, atol=1e-5)
    assert got.dtype == np.float32


def test_the_mode_is_the_mean_and_draws_nothing(encoded, moments):
    rng = _sources()
    got = encoded("mode", rng)
    np.testing.assert_allclose(got, np.repeat((moments[:, :4] - 0.125) * 0.25, 3, axis=0), rtol=1e-6)
    untouched = _sources().standard_normal((3, 2))
    np.testing.assert_array_equal(rng.standard_normal((3, 2)), untouched)
