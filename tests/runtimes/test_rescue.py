"""Components that overflow in less than f32 are computed again in f32, once more aloud than silently."""

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes import engines
from edgediff_runtimes.bundle import Bundle, Component, FileEntry
from edgediff_runtimes.components import Components, Computed
from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.engines.base import Share
from edgediff_runtimes.errors import EngineError, NonFiniteError, NotInstalledError, SettingError
from edgediff_runtimes.installing import install_line
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement

OPTIONS = {"seed": 3, "steps": 3, "guidance": 4.0, "width": 64, "height": 64}


@pytest.fixture
def lossy(golden):
    """The tiny bundle, as if exported for bfloat16."""
    bundle = Bundle.open(golden / "bundle")
    components = {
        role: dataclasses.replace(component, precision="bf16") for role, component in bundle.manifest.components.items()
    }
    return Bundle(bundle.path, dataclasses.replace(bundle.manifest, components=components))


@pytest.fixture
def overflowing(answers):
    """Makes an engine whose bf16 overflows in the calls of a component that ``when`` says."""

    def overflowing(component, when=lambda _call: True, *, exact=None):
        seen = []

        def rough(role, feeds):
            outputs = answers[role](feeds)
            if role == component:
                seen.append(role)
                if when(len(seen)):
                    outputs = {name: np.full_like(array, np.nan) for name, array in outputs.items()}
            return outputs

        return FakeEngine(exact or (lambda role, feeds: answers[role](feeds)), lower={"bf16": rough})

    return overflowing


@pytest.fixture
def expected(tiny, fake_engine):
    with Pipeline(tiny, Placement(engine=fake_engine)) as pipeline:
        return pipeline("a red apple", **OPTIONS)


@pytest.mark.parametrize(("component", "times"), [("text_encoder", 1), ("unet", 3), ("vae_decoder", 1)])
def test_a_component_is_computed_again(lossy, overflowing, expected, component, times):
    engine = overflowing(component)
    with Pipeline(lossy, Placement(engine=engine)) as pipeline:
        said = f"`{component}` returned values .* computed in bf16: .* again in f32"
        with pytest.warns(UserWarning, match=said) as warned:
            result = pipeline("a red apple", **OPTIONS)
        assert len(warned) == 1  # not once a step
        assert sorted(engine.open_sessions) == sorted([*result.computed, component])
    assert engine.open_sessions == []
    np.testing.assert_array_equal(result.latents, expected.latents)
    assert result.computed == {
        role: Computed("fake", "bf16", calls=how.calls, rescued=times if role == component else 0)
        for role, how in expected.computed.items()
    }


def test_only_the_calls_that_need_it_are_computed_again(lossy, overflowing, expected):
    with Pipeline(lossy, Placement(engine=overflowing("unet", when=lambda call: call == 2))) as pipeline:
        with pytest.warns(UserWarning, match="`unet` returned"):
            result = pipeline("a red apple", **OPTIONS)
        assert (result.computed["unet"].calls, result.computed["unet"].rescued) == (3, 1)
        np.testing.assert_array_equal(result.latents, expected.latents)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert pipeline("a red apple", **OPTIONS).computed["unet"].rescued == 0


def test_it_is_said_once_in_the_life_of_a_pipeline(lossy, overflowing):
    with Pipeline(lossy, Placement(engine=overflowing("unet"))) as pipeline:
        with pytest.warns(UserWarning, match="`unet` returned"):
            pipeline("a red apple", **OPTIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert pipeline("a red apple", **OPTIONS).computed["unet"].rescued == 3


def test_a_picture_tells_how_it_was_computed(lossy, overflowing, tmp_path):
    with (
        Pipeline(lossy, Placement(engine=overflowing("unet"))) as pipeline,
        pytest.warns(UserWarning, match="`unet` returned"),
    ):
        (path,) = pipeline("a red apple", **OPTIONS).save(tmp_path / "a.png")
    with Image.open(path) as image:
        recorded = json.loads(image.text["edgediff"])
    assert recorded["computed"]["unet"] == {
        "engine": "fake",
        "execution": "bf16",
        "calls": 3,
        "rescued": 3,
        "threads": None,
        "shares": {},
    }
    assert recorded["computed"]["text_encoder"]["rescued"] == 0


def test_strict_makes_it_an_error(lossy, overflowing):
    engine = overflowing("unet", when=lambda call: call == 2)
    with Pipeline(lossy, Placement(engine=engine, strict=True)) as pipeline:
        with pytest.raises(NonFiniteError, match="`unet` returned values that are not finite in step 2") as caught:
            pipeline("a red apple", **OPTIONS)
        assert caught.value.hint == "it was computed in bf16; without `strict` it is computed again in f32"
        assert engine.open_sessions.count("unet") == 1


def test_f32_itself_is_not_rescued(tiny, answers):
    answers["unet"] = lambda feeds: {"out_sample": np.full_like(feeds["sample"], np.inf)}
    engine = FakeEngine(lambda role, feeds: answers[role](feeds))
    with (
        Pipeline(tiny, Placement(engine=engine)) as pipeline,
        pytest.raises(NonFiniteError, match=r"`unet` .* in step 1"),
    ):
        pipeline("a red apple", **OPTIONS)


def test_a_component_that_overflows_in_f32_too(lossy, overflowing, answers):
    def exact(role, feeds):
        outputs = answers[role](feeds)
        return {name: array * np.float32(np.nan) for name, array in outputs.items()} if role == "unet" else outputs

    with (
        Pipeline(lossy, Placement(engine=overflowing("unet", exact=exact))) as pipeline,
        pytest.warns(UserWarning, match="`unet` returned"),
        pytest.raises(NonFiniteError, match=r"`unet` .* in step 1"),
    ):
        pipeline("a red apple", **OPTIONS)


def test_in_sequence_a_rescue_is_freed_with_its_component(lossy, overflowing):
    engine = overflowing("text_encoder")
    with Pipeline(lossy, Placement(engine=engine, residency="sequential")) as pipeline:
        run = pipeline.stream("a red apple", **OPTIONS)
        with pytest.warns(UserWarning, match="`text_encoder` returned"):
            next(run)
        assert engine.open_sessions == ["unet"]
        assert run.result.computed["text_encoder"].rescued == 1
        assert engine.open_sessions == []


def test_a_rescue_of_a_closed_pipeline(lossy, overflowing):
    components = Components(lossy, Placement(engine=overflowing("unet")))
    feeds = {
        "sample": np.ones((1, 4, 8, 8), np.float32),
        "timestep": np.ones(1, np.float32),
        "encoder_hidden_states": np.ones((1, 12, 8), np.float32),
    }
    with components.use("unet") as unet:
        components.close()
        with pytest.raises(EngineError, match="the pipeline is closed"):
            unet.run(feeds, ["out_sample"])


class _AsExported:
    """An engine that computes graphs as they were exported, and overflows: what ONNX Runtime can be with float16."""

    name, version = "onnxruntime", "0"

    def __init__(self, inner):
        self._inner = inner

    def devices(self):
        return self._inner.devices()

    def execution(self, graph, *, device, options):
        if options.execution == "f32":
            raise SettingError("execution", got="f32", expected="bf16")
        return self._inner.execution(graph, device=device, options=options)

    def load(self, graph, *, device, options):
        self.execution(graph, device=device, options=options)
        return self._inner.load(graph, device=device, options=options)


def test_another_engine_may_rescue(lossy, overflowing, expected, monkeypatch, fake_engine):
    loaded = []

    def get_engine(name):
        loaded.append(name)
        return fake_engine

    monkeypatch.setattr(engines, "get_engine", get_engine)
    rough = _AsExported(overflowing("unet"))
    with Pipeline(lossy, Placement(engine=rough)) as pipeline, pytest.warns(UserWarning, match="`unet` returned"):
        result = pipeline("a red apple", **OPTIONS)
    assert loaded == ["openvino"]
    np.testing.assert_array_equal(result.latents, expected.latents)
    assert fake_engine.open_sessions == []


def test_where_no_engine_can_rescue_it_is_said_what_could(lossy, overflowing, monkeypatch):
    def get_engine(name):
        raise NotInstalledError(name, extra=name, reason=ImportError("no such module"))

    monkeypatch.setattr(engines, "get_engine", get_engine)
    rough = _AsExported(overflowing("unet"))
    with (
        Pipeline(lossy, Placement(engine=rough)) as pipeline,
        pytest.raises(NonFiniteError, match=r"`unet` .* step 1") as caught,
    ):
        pipeline("a red apple", **OPTIONS)
    assert "no engine here computes it in f32" in caught.value.hint
    assert install_line("openvino") in caught.value.hint


def test_an_engine_of_the_users_own_is_not_replaced(lossy, overflowing, monkeypatch):
    engine = _AsExported(overflowing("unet"))
    engine.name = "theirs"
    monkeypatch.setattr(engines, "get_engine", None)  # would fail if it were asked
    with Pipeline(lossy, Placement(engine=engine)) as pipeline, pytest.raises(NonFiniteError, match="`unet`"):
        pipeline("a red apple", **OPTIONS)


def test_a_graph_of_half_precision_is_rescued_by_openvino(golden, lossy, monkeypatch):
    """ONNX Runtime's session is made to overflow, as it can on processors that have arithmetic for float16."""
    try:
        engines.get_engine("openvino")
    except NotInstalledError as error:
        pytest.skip(error.sentence)
    from edgediff_runtimes.engines import onnxruntime_session  # noqa: PLC0415 - what is replaced

    def overflow(_session, feeds, *, cancel=None):
        assert cancel is None
        return {"twice": np.full_like(feeds["a"], np.inf)}

    monkeypatch.setattr(onnxruntime_session.OnnxRuntimeSession, "run", overflow)
    half = golden / "engines" / "half.onnx"
    file = FileEntry("engines/half.onnx", half.stat().st_size, None)
    component = Component(format="onnx", precision="fp16", files=(file,))
    bundle = Bundle(golden, dataclasses.replace(lossy.manifest, components={"half": component}))
    components = Components(bundle, Placement())
    computed = {}
    with components.use("half", computed=computed) as loaded, pytest.warns(UserWarning, match="`half` .* in f16"):
        got = loaded.run({"a": np.array([1.5, 300], np.float32)}, ["twice"])["twice"]
    components.close()
    np.testing.assert_array_equal(got, np.array([3, 600], np.float16))
    assert computed == {"half": Computed("onnxruntime", "f16", calls=1, rescued=1, shares={"cpu": Share(1, 1.0)})}
