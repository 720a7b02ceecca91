"""Passes, the graph's files and what fails a check, on graphs of a few nodes."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch

from edgediff_exporters import graph_file
from edgediff_exporters.families import ComponentPlan, GraphInput
from edgediff_exporters.graph_file import write_graph
from edgediff_exporters.passes import simplify
from edgediff_exporters.passes.attach_weights import attach_weights
from edgediff_exporters.reference import run_reference
from edgediff_exporters.tracing import trace
from edgediff_exporters.verification import verify
from edgediff_exporters.weights import Weights
from edgediff_runtimes.errors import EngineError, ToleranceError

ROWS, COLUMNS = 6, 4


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(COLUMNS, ROWS)
        self.register_buffer("table", torch.arange(ROWS, dtype=torch.float32), persistent=False)

    def forward(self, x):
        y = self.linear(x) * 1.0 + 0.0
        return (y / (y.abs().sum(-1, keepdim=True) * 0.0 + 1e-15) + self.table,)


def plan(**changes):
    values = {
        "role": "layer",
        "origin": "layer",
        "build": lambda _config: Layer(),
        "forward": lambda module, x: module(x),
        "inputs": (GraphInput("x", torch.float32, ("batch", "height", COLUMNS)),),
        "outputs": ("y",),
        "traced": {"batch": 2, "height": 3},
        "checked": {"batch": 3, "height": 5},
        "tolerances": {"fp32": 1e-5},
    }
    return ComponentPlan(**{**values, **changes})


@pytest.fixture(scope="module")
def weights():
    generator = torch.Generator().manual_seed(0)
    draw = {"linear.weight": (ROWS, COLUMNS), "linear.bias": (ROWS,)}
    return Weights({name: torch.randn(shape, generator=generator) for name, shape in draw.items()}, ())


LAYER = plan()


def graph(weights, *, storage="as computed", traced_as=LAYER):
    traced = trace(traced_as, {}, dtype=torch.float32)
    simplify(traced.model, traced.symbols)
    attach_weights(traced.model, {**traced.constants, **weights.tensors}, storage=storage)
    return traced.model


def silent(_done, _total):
    pass


def run(path, x):
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x.numpy()})[0]


def test_tiny_epsilons_survive_and_neutral_arithmetic_goes(weights, tmp_path):
    model = graph(weights)
    constants = [v.const_value.numpy().item() for v in model.graph.initializers.values() if v.const_value.size == 1]
    assert any(0 < constant < 1e-14 for constant in constants)
    assert 1.0 not in constants
    write_graph(model, tmp_path, on_bytes=silent)
    x = torch.randn(1, 1, COLUMNS, generator=torch.Generator().manual_seed(1))
    (expected,) = run_reference(plan(), {}, weights, [[x]])[0]
    assert float(expected.abs().max()) > 1e13
    np.testing.assert_allclose(run(tmp_path / "model.onnx", x), expected, rtol=1e-5)


def test_linear_weights_are_stored_as_the_engine_wants_them(weights):
    model = graph(weights)
    assert "Transpose" not in {node.op_type for node in model.graph}
    stored = model.graph.initializers["linear.weight.transposed"].const_value.numpy()
    np.testing.assert_array_equal(stored, weights.tensors["linear.weight"].numpy().T)


def test_large_weights_go_to_a_file_of_their_own(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(graph_file, "INLINE_BYTES", 0)
    monkeypatch.setattr(graph_file, "_PAGE_BYTES", 64)
    told = []
    files = write_graph(graph(weights), tmp_path, on_bytes=lambda done, total: told.append((done, total)))
    assert [file.name for file in files] == ["model.onnx", "model.onnx_data"]
    for file in files:
        content = (tmp_path / file.name).read_bytes()
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert told[-1][0] == told[-1][1]
    onnx.checker.check_model(str(tmp_path / "model.onnx"))
    external = [
        t for t in onnx.load(tmp_path / "model.onnx", load_external_data=False).graph.initializer if t.external_data
    ]
    assert [tensor.name for tensor in external] == ["linear.weight.transposed"]
    checks, inputs, outputs = verify(plan(), {}, weights, tmp_path / "model.onnx", precision="fp32", on_step=silent)
    assert len(checks) == 2
    assert inputs[0].shape == ("batch", "height", COLUMNS)
    assert outputs[0].shape == ("batch", "height", ROWS)


def test_half_storage_is_a_cast_away_from_the_same_name(weights):
    model = graph(weights, storage="float16")
    assert model.graph.initializers["linear.weight.transposed.half"].dtype == ir.DataType.FLOAT16
    assert model.graph.initializers["linear.bias"].dtype == ir.DataType.FLOAT


@pytest.mark.parametrize("spoil", [lambda a: a * 1.01, lambda a: a * float("nan")])
def test_a_graph_that_says_something_else_fails(weights, tmp_path, spoil):
    other = Weights({**weights.tensors, "linear.bias": spoil(weights.tensors["linear.bias"])}, ())
    write_graph(graph(other), tmp_path, on_bytes=silent)
    with pytest.raises(ToleranceError, match=r"`layer`.*x \[2, 3, 4\].*expected at most"):
        verify(plan(), {}, weights, tmp_path / "model.onnx", precision="fp32", on_step=silent)


def test_a_graph_with_a_frozen_axis_fails(weights, tmp_path):
    frozen = plan(inputs=(GraphInput("x", torch.float32, ("batch", 3, COLUMNS)),))
    write_graph(graph(weights, traced_as=frozen), tmp_path, on_bytes=silent)
    with pytest.raises(EngineError, match=r"layer.*dimension"):
        verify(plan(), {}, weights, tmp_path / "model.onnx", precision="fp32", on_step=silent)


def test_the_reference_reads_any_float_dtype_and_forgets_it(weights):
    halves = Weights({name: tensor.half() for name, tensor in weights.tensors.items()}, ())
    x = torch.ones(1, 1, COLUMNS)
    (got,) = run_reference(plan(), {}, halves, [[x]])[0]
    rounded = Weights({name: tensor.half().float() for name, tensor in weights.tensors.items()}, ())
    (expected,) = run_reference(plan(), {}, rounded, [[x]])[0]
    torch.testing.assert_close(got, expected, rtol=0, atol=0)


class Stored(Layer):
    """With a table that a checkpoint decides, and a squeeze of an axis that is longer than 1."""

    def __init__(self):
        super().__init__()
        self.register_buffer("places", torch.zeros(ROWS))

    def forward(self, x):
        return ((self.linear(x) + self.places).squeeze(1) * 2.0,)


def test_squeezing_a_longer_axis_changes_nothing_and_a_stored_buffer_is_the_checkpoints(weights, tmp_path):
    stored = plan(build=lambda _config: Stored())
    whole = Weights({**weights.tensors, "places": torch.arange(ROWS).half()}, ())
    model = graph(whole, traced_as=stored)
    assert "Squeeze" not in {node.op_type for node in model.graph}
    write_graph(model, tmp_path, on_bytes=silent)
    x = torch.zeros(2, 3, COLUMNS)
    expected = 2 * (whole.tensors["linear.bias"] + torch.arange(ROWS)).expand(2, 3, ROWS)
    np.testing.assert_allclose(run(tmp_path / "model.onnx", x), expected, rtol=1e-6)
    torch.testing.assert_close(run_reference(stored, {}, whole, [[x]])[0][0], expected, rtol=1e-6, atol=0)


def test_single_layers_stay_in_float32_where_the_graph_is_in_float16():
    half = plan(build=lambda _config: Stored(), forward=lambda module, x: module(x.float()), single=("linear",))
    model = trace(half, {}, dtype=torch.float16).model
    dtypes = {name: value.dtype for name, value in model.graph.initializers.items()}
    assert dtypes["linear.weight"] == dtypes["linear.bias"] == ir.DataType.FLOAT
    assert dtypes["places"] == ir.DataType.FLOAT16
