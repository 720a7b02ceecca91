"""Every call is seen, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines import EngineOptions, FakeEngine
from edgediff_runtimes.engines.tapping import TappingEngine
from edgediff_runtimes.errors import Cancelled, DeviceError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement


@pytest.fixture
def seen():
    return []


@pytest.fixture
def tapped(fake_engine, seen):
    return TappingEngine(fake_engine, lambda role, feeds, outputs: seen.append((role, dict(feeds), dict(outputs))))


def test_a_picture_is_the_same_and_every_call_is_seen(tiny, fake_engine, tapped, seen, calls):
    expected = Pipeline(tiny, Placement(engine=fake_engine))("a red apple", seed=1, steps=2)
    calls.clear()
    with Pipeline(tiny, Placement(engine=tapped)) as pipeline:
        got = pipeline("a red apple", seed=1, steps=2)
    np.testing.assert_array_equal(got.latents, expected.latents)
    assert [role for role, _, _ in seen] == ["text_encoder", "unet", "unet", "vae_decoder"]
    assert [(role, {name: array.shape for name, array in feeds.items()}) for role, feeds, _ in seen] == calls
    last = seen[2]
    assert last[1].keys() == {"sample", "timestep", "encoder_hidden_states"}
    assert last[2]["out_sample"].shape == (2, 4, 8, 8)  # both branches of guidance in one call


def test_it_answers_as_the_engine_inside(tiny, tapped, fake_engine):
    assert (tapped.name, tapped.version, tapped.devices()) == ("fake", "1", fake_engine.devices())
    with pytest.raises(DeviceError):
        tapped.load(tiny.graph("unet"), device="npu", options=EngineOptions())
    with tapped.load(tiny.graph("unet"), device="auto", options=EngineOptions()) as session:
        assert list(session.inputs) == ["sample", "timestep", "encoder_hidden_states"]
        assert list(session.outputs) == ["out_sample"]
        assert session.execution == "f32"
        assert fake_engine.open_sessions == ["unet"]
    assert fake_engine.open_sessions == []


def test_a_cancelled_call_is_not_told(tiny, tapped, seen):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        tapped.load(tiny.graph("unet"), device="auto", options=EngineOptions()).run({}, cancel=token)
    assert seen == []


def test_an_exception_of_the_listener_ends_the_run(tiny, answers):
    def stop(role, _feeds, _outputs):
        if role == "unet":
            raise StopAsyncIteration("enough")

    engine = TappingEngine(FakeEngine(lambda role, feeds: answers[role](feeds)), stop)
    with Pipeline(tiny, Placement(engine=engine)) as pipeline, pytest.raises(StopAsyncIteration, match="enough"):
        pipeline("a", seed=0)
