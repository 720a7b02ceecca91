"""Components placed one by one: what is asked of which, what is refused, what others give."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.components import Components
from edgediff_runtimes.engines import EngineOptions, FakeEngine
from edgediff_runtimes.errors import DeviceError, EngineError, SettingError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement, named_engines

ROLES = "text_encoder, unet, vae_decoder, vae_encoder"
QUICK = {"seed": 3, "steps": 2, "guidance": 4.0}


class Other:
    """Another engine than the fake one: it has other devices, and notes what it was asked."""

    name = "other"
    version = "2"

    def __init__(self, engine):
        self._engine = engine
        self.asked = []

    def devices(self):
        return self._engine.devices()

    def execution(self, graph, *, device, options):
        if device not in ("auto", "gpu"):
            raise DeviceError(device, available=["gpu"])
        return self._engine.execution(graph, device="auto", options=options)

    def load(self, graph, *, device, options):
        self.asked.append((graph.role, device, options))
        return self._engine.load(graph, device="auto", options=options)


def test_each_component_is_computed_where_it_was_placed(tiny, fake_engine):
    other = Other(fake_engine)
    placement = Placement(
        engine={"unet": other, "*": fake_engine}, device={"unet": "gpu"}, threads={"unet": 3, "vae_decoder": 2}
    )
    with Pipeline(tiny, Placement(engine=fake_engine)) as pipeline:
        expected = pipeline("a red apple", **QUICK)
    with Pipeline(tiny, placement) as pipeline:
        result = pipeline("a red apple", **QUICK)
    np.testing.assert_array_equal(result.latents, expected.latents)
    assert other.asked == [("unet", "gpu", EngineOptions(threads=3))]
    assert {role: how.engine for role, how in result.computed.items()} == {
        "text_encoder": "fake",
        "unet": "other",
        "vae_decoder": "fake",
    }


def test_a_star_stands_for_all_others():
    placement = Placement(device={"unet": "gpu", "*": "npu"}, execution={"unet": "f16"}, low_memory=True)
    assert [placement.device_of(role) for role in ("unet", "vae_decoder")] == ["gpu", "npu"]
    assert placement.options_of("unet") == EngineOptions(execution="f16", low_memory=True)
    assert placement.options_of("vae_decoder") == EngineOptions(low_memory=True)


REFUSED = {
    "device": ({"device": {"u-net": "cpu"}}, f"`device` is 'u-net=cpu': expected components among {ROLES}"),
    "engine": ({"engine": {"u-net": None}}, f"`engine` is 'u-net=None': expected components among {ROLES}"),
    "execution": ({"execution": {"vae": "f32"}}, f"`execution` is 'vae=f32': expected components among {ROLES}"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_component_that_there_is_not(tiny, case):
    asked, sentence = REFUSED[case]
    with pytest.raises(SettingError) as caught:
        Pipeline(tiny, Placement(**asked))
    assert caught.value.sentence == sentence


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"execution": {"unet": "fp8"}}, "`execution` is 'fp8': expected one of f32, bf16, f16"),
        ({"threads": {"unet": 0}}, "`threads` is 0: expected a whole number of at least 1"),
        ({"residency": "sometimes"}, "`residency` is 'sometimes': expected one of resident, sequential"),
        ({"device": ["cpu"]}, "`device` is ['cpu']: expected the name of a device, or a mapping of such by component"),
        ({"device": None}, "`device` is None: expected the name of a device, or a mapping of such by component"),
        ({"device": {"unet": ""}}, "`device` is 'unet=': expected the name of a device behind the component"),
        ({"device": {3: "cpu"}}, "`device` is {3: 'cpu'}: expected components by name, or `*` for all others"),
        ({"engine": 3}, "`engine` is 3: expected an engine, its name, or None, or a mapping of such by component"),
        ({"engine": {"unet": 3}}, "`engine` is 'unet=3': expected an engine, its name, or None behind the component"),
        (
            {"execution": ["f32"]},
            "`execution` is ['f32']: expected one of f32, bf16, f16, or None, or a mapping of such by component",
        ),
        ({"low_memory": "yes"}, "`low_memory` is 'yes': expected True or False"),
        ({"keep_compiled": None}, "`keep_compiled` is None: expected True or False"),
        ({"strict": 3}, "`strict` is 3: expected True or False"),
        ({"static": "16x16"}, "`static` is '16x16': expected width and height in pixels, such as (512, 512)"),
        ({"static": (0, 16)}, "`static` is (0, 16): expected width and height in pixels, such as (512, 512)"),
    ],
)
def test_a_value_that_there_is_not(asked, sentence):
    with pytest.raises(SettingError) as caught:
        Placement(**asked)
    assert caught.value.sentence == sentence


def test_an_execution_that_the_device_has_not_is_refused_before_anything_is_loaded(tiny, fake_engine):
    with pytest.raises(SettingError, match="`execution` is 'bf16': expected f32, which is what `fake` computes in"):
        Pipeline(tiny, Placement(engine=fake_engine, execution={"vae_decoder": "bf16"}))
    assert fake_engine.open_sessions == []


def test_one_engine_for_each_name():
    found = named_engines({"unet": "onnxruntime", "vae_decoder": "onnxruntime", "*": None})
    assert found["unet"] is found["vae_decoder"]
    assert found["*"] is None
    with pytest.raises(SettingError, match="`engine` is 'steam'"):
        named_engines({"unet": "steam"})


def test_components_that_others_give(tiny, fake_engine, answers):
    brighter = FakeEngine(lambda role, feeds: {name: array + 1 for name, array in answers[role](feeds).items()})
    others = Components(tiny, Placement(engine=brighter))
    with Pipeline(tiny, Placement(engine=fake_engine), replaced={"vae_decoder": others}) as pipeline:
        result = pipeline("a red apple", **QUICK)
        assert sorted(fake_engine.open_sessions) == ["text_encoder", "unet"]
        assert brighter.open_sessions == ["vae_decoder"]
    assert (fake_engine.open_sessions, brighter.open_sessions) == ([], [])
    with Pipeline(tiny, Placement(engine=fake_engine)) as pipeline:
        plain = pipeline("a red apple", **QUICK)
    assert np.asarray(result.images[0]).mean() > np.asarray(plain.images[0]).mean()
    with pytest.raises(EngineError, match="closed"), others.use("vae_decoder"):
        pass
