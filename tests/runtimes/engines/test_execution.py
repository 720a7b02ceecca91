"""What floats are computed in: asked for by a graph's precision, or by the user, and never silently another."""

from __future__ import annotations

import pytest

from edgediff_runtimes.engines import EngineOptions, FakeEngine, Graph, get_engine
from edgediff_runtimes.engines.execution import EXECUTIONS, choose_execution
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.precisions import PRECISIONS, UNKNOWN

HAS = {"all": EXECUTIONS, "cpu": ("f32",), "amx": ("f32", "bf16"), "gpu": ("f32", "f16"), "npu": ("f16",)}
CHOSEN = {
    "fp32": {"all": "f32", "cpu": "f32", "amx": "f32", "gpu": "f32"},
    "w16": {"all": "f32", "gpu": "f32"},
    "w8": {"all": "f32", "amx": "f32"},
    "w4": {"all": "f32"},
    "fp16": {"all": "f16", "cpu": "f32", "amx": "bf16", "gpu": "f16", "npu": "f16"},
    "bf16": {"all": "bf16", "cpu": "f32", "gpu": "f16"},
    "int8": {"all": "bf16", "cpu": "f32", "gpu": "f16", "npu": "f16"},
    "mixed": {"all": "bf16", "cpu": "f32", "gpu": "f16"},
    "unknown": {"all": "f32"},
    "fp4-of-tomorrow": {"all": "f32"},
}
CASES = [(precision, device, execution) for precision, by in CHOSEN.items() for device, execution in by.items()]


@pytest.mark.parametrize(("precision", "device", "execution"), CASES)
def test_a_precision_asks_for_an_execution(precision, device, execution):
    assert choose_execution(precision, None, available=HAS[device], where="`it`") == execution


@pytest.mark.parametrize("precision", [*PRECISIONS, "unknown"])
def test_what_the_user_asks_for_comes_first(precision):
    for asked in EXECUTIONS:
        assert choose_execution(precision, asked, available=EXECUTIONS, where="`it`") == asked


def test_what_the_device_lacks_is_refused():
    with pytest.raises(
        SettingError, match="`execution` is 'bf16': expected f32 or f16, which is what `it` computes in"
    ):
        choose_execution("int8", "bf16", available=HAS["gpu"], where="`it`")


def test_a_graph_in_f32_is_not_rounded_unasked():
    with pytest.raises(SettingError, match="`execution` is 'f32': expected f16, which is all that `it`") as caught:
        choose_execution("fp32", None, available=HAS["npu"], where="`it`")
    assert caught.value.hint == "a graph in `fp32` asks for f32; name another with `execution`"
    assert choose_execution("fp32", "f16", available=HAS["npu"], where="`it`") == "f16"


def test_every_wish_has_its_reason():
    rows = [*PRECISIONS.values(), UNKNOWN]
    assert all(row.reason and set(row.executions) <= set(EXECUTIONS) for row in rows)


@pytest.mark.parametrize("execution", ["fp32", "F32", "", 32, True], ids=repr)
def test_an_unknown_execution(execution):
    with pytest.raises(SettingError, match=r"`execution` is .*: expected one of f32, bf16, f16"):
        EngineOptions(execution=execution)


@pytest.mark.parametrize(("name", "precision", "execution"), [("add", "fp32", "f32"), ("half", "fp16", "f16")])
def test_onnx_runtime_computes_a_graph_as_it_was_exported(golden, name, precision, execution):
    engine = get_engine("onnxruntime")
    for said in (precision, "unknown"):  # a derived manifest does not say; the graph does
        graph = Graph("unet", golden / "engines" / f"{name}.onnx", "onnx", precision=said)
        for asked in (None, execution):
            with engine.load(graph, device="auto", options=EngineOptions(execution=asked)) as session:
                assert session.execution == execution
        for other in set(EXECUTIONS) - {execution}:
            with pytest.raises(SettingError, match=f"expected {execution}, because `onnxruntime` computes `unet` as"):
                engine.load(graph, device="auto", options=EngineOptions(execution=other))


def test_the_fake_engine_computes_in_what_it_has_functions_for(tmp_path):
    engine = FakeEngine(lambda _role, _feeds: {"by": "f32"}, lower={"bf16": lambda _role, _feeds: {"by": "bf16"}})
    assert engine.devices()[0].executions == ("f32", "bf16")
    for precision, asked, execution in (("fp32", None, "f32"), ("int8", None, "bf16"), ("int8", "f32", "f32")):
        graph = Graph("unet", tmp_path, "onnx", precision=precision)
        options = EngineOptions(execution=asked)
        assert engine.execution(graph, device="auto", options=options) == execution
        with engine.load(graph, device="auto", options=options) as session:
            assert session.execution == execution
            assert session.run({}) == {"by": execution}
    with pytest.raises(SettingError, match="`execution` is 'f16'"):
        engine.load(graph, device="auto", options=EngineOptions(execution="f16"))
