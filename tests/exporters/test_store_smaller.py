"""Matrices as int8: the scales lie along the consumer's output channels, and nothing else is lost than half a step."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch

from edgediff_exporters.passes import rounding
from edgediff_exporters.passes.rounding import BlockRounding, ChannelRounding
from edgediff_exporters.passes.store_smaller import attach_stored
from edgediff_runtimes.engines.onnxruntime_session import _INT8_KEPT, _INT8_WIDENED

# op, place of the matrix, its shape, the axis of its output channels, the same axis of the result, the other input's
# shape, attributes
CONSUMERS = {
    "Conv": ("Conv", 1, (5, 3, 2, 2), 0, 1, (1, 3, 6, 6), {}),
    "ConvTranspose": ("ConvTranspose", 1, (3, 5, 2, 2), 1, 1, (1, 3, 6, 6), {}),
    "MatMul": ("MatMul", 1, (3, 5), 1, 2, (2, 7, 3), {}),
    "MatMul, matrix first": ("MatMul", 0, (5, 3), 0, 0, (3, 7), {}),
    "batched MatMul": ("MatMul", 1, (2, 3, 5), 2, 2, (2, 7, 3), {}),
    "Gemm": ("Gemm", 1, (3, 5), 1, 1, (7, 3), {}),
    "Gemm, transposed": ("Gemm", 1, (5, 3), 0, 1, (7, 3), {"transB": 1}),
    "Gemm, matrix first": ("Gemm", 0, (5, 3), 0, 0, (3, 7), {}),
    "Gemm, matrix first, transposed": ("Gemm", 0, (3, 5), 1, 0, (3, 7), {"transA": 1}),
    "Gather": ("Gather", 0, (5, 3), 0, 0, (4,), {}),
    "Gather of columns": ("Gather", 0, (3, 5), 1, 1, (4,), {"axis": 1}),
}
FLOAT = ir.TensorType(ir.DataType.FLOAT)


def uneven(shape, axis):
    """A matrix whose channels differ by five orders of magnitude: one scale for two of them would lose the smaller."""
    draw = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    sizes = 10.0 ** torch.arange(shape[axis])
    return draw * sizes.reshape([-1 if place == axis else 1 for place in range(len(shape))])


def one_node(op, place, shape, other_shape, attributes):
    """A graph of one operator on a matrix without a value, and the matrix."""
    kind = ir.TensorType(ir.DataType.INT64) if op == "Gather" else FLOAT
    other = ir.Value(name="x", type=kind, shape=ir.Shape(other_shape))
    matrix = ir.Value(name="matrix", type=FLOAT, shape=ir.Shape(shape))
    inputs = [matrix, other] if place == 0 else [other, matrix]
    node = ir.node(op, inputs, attributes=attributes)
    node.outputs[0].name, node.outputs[0].type = "y", FLOAT
    graph = ir.Graph([other], node.outputs, nodes=[node], initializers=[matrix], opset_imports={"": 21}, name="one")
    return ir.Model(graph, ir_version=10), matrix


def computed(model, x, entries):
    options = ort.SessionOptions()
    for entry in entries:
        options.add_session_config_entry(*entry)
    model_bytes = ir.to_proto(model).SerializeToString()
    return ort.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


@pytest.mark.parametrize("case", CONSUMERS)
def test_each_output_channel_has_its_own_scale(case):
    op, place, shape, axis, axis_of_result, other_shape, attributes = CONSUMERS[case]
    values, dice = uneven(shape, axis), np.random.default_rng(0)
    x = np.array([4, 0, 2, 1]) if op == "Gather" else dice.standard_normal(other_shape).astype(np.float32)
    results = {}
    for storage in ("as computed", "int8"):
        model, matrix = one_node(op, place, shape, other_shape, attributes)
        attach_stored(model, matrix, values, storage)
        results[storage] = [computed(model, x, entries) for entries in (_INT8_KEPT, _INT8_WIDENED)]
    stored = {value.name: value.const_value for value in model.graph.initializers.values()}
    assert {name: tensor.dtype.name for name, tensor in stored.items()} == {
        "matrix.int8": "INT8",
        "matrix.scale": "FLOAT",
    }
    assert stored["matrix.scale"].numpy().shape == (5,)
    exact = results["as computed"][0]
    for rounded in results["int8"]:
        assert rounded.shape == exact.shape
        errors = _largest_by(np.abs(rounded - exact), axis_of_result)
        assert (errors > 0).all()
        assert (errors < 0.02 * _largest_by(np.abs(exact), axis_of_result)).all()
    np.testing.assert_allclose(*results["int8"], rtol=1e-5)


def _largest_by(array, axis):
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1).max(1)


def test_no_number_moves_by_more_than_half_a_step():
    matrix = uneven((5, 300), 0)
    matrix[3] = 0
    rounded = ChannelRounding(matrix, 0)
    values, scales = rounded.values(), rounded.scales
    assert (values.dtype, scales.dtype, scales.shape) == (torch.int8, torch.float32, (5,))
    np.testing.assert_array_equal(values.abs().amax(1), [127, 127, 127, 0, 127])
    assert bool((scales > 0).all())
    step = scales[:, None]
    assert bool(((values * step - matrix).abs() <= step * 0.5001).all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_is_rounded_as_float32_is(dtype):
    matrix = uneven((4, 9), 1)[:, :4].to(dtype)
    got, expected = ChannelRounding(matrix, 1), ChannelRounding(matrix.float(), 1)
    assert torch.equal(got.values(), expected.values())
    assert torch.equal(got.scales, expected.scales)


def test_a_large_matrix_is_rounded_a_few_channels_at_a_time(monkeypatch):
    matrix = uneven((5, 7), 1)
    whole = ChannelRounding(matrix, 1)
    monkeypatch.setattr(rounding, "_CHUNK_BYTES", 4 * 5 * 2)  # two channels
    parts = ChannelRounding(matrix, 1)
    assert len(list(parts._parts())) == 4
    assert torch.equal(parts.values(), whole.values())
    assert torch.equal(parts.scales, whole.scales)


def test_products_are_computed_from_four_bits_as_the_library_has_them():
    """Numbers, scales and zero points are those that ONNX Runtime's own quantiser makes, whatever the length."""
    from onnxruntime.capi._pybind_state import quantize_matmul_4bits  # noqa: PLC0415 - has no public name

    matrix = torch.randn((75, 5), generator=torch.Generator().manual_seed(0))
    matrix[:32, 1] = 0
    matrix[:32, 2].abs_()
    rounded = BlockRounding(matrix.T)
    made = np.zeros((5, 3, 16), np.uint8), np.zeros((5, 3), np.float32), np.zeros((5, 2), np.uint8)
    padded = np.pad(matrix.numpy(), ((0, 21), (0, 0)))
    quantize_matmul_4bits(made[0], padded, made[1], made[2], 32, 5, 75, False)  # noqa: FBT003 - takes no names
    np.testing.assert_allclose(np.delete(rounded.scales().numpy(), 1, 0), np.delete(made[1], 1, 0), rtol=1e-6)
    made[2][:, 1] &= 15  # it fills up with a zero point that no block has
    np.testing.assert_array_equal(rounded.zeros()[[0, 2, 3, 4]], made[2][[0, 2, 3, 4]])
    numbers, expected = (_unpacked(values)[[0, 2, 3, 4], :75] for values in (rounded.values().numpy(), made[0]))
    np.testing.assert_array_equal(numbers, expected)
    assert not rounded.values()[1, 0].any()


def _unpacked(array):
    return np.stack([array & 15, array >> 4], -1).reshape(len(array), -1)


def test_int4_products_multiply_with_what_is_stored():
    matrix = torch.randn((70, 5), generator=torch.Generator().manual_seed(0))
    model, value = one_node("MatMul", 1, (70, 5), (2, 7, 70), {})
    attach_stored(model, value, matrix, "int4")
    assert [node.op_type for node in model.graph] == ["MatMulNBits"]
    x = np.random.default_rng(0).standard_normal((2, 7, 70)).astype(np.float32)
    rounded = BlockRounding(matrix.T)
    numbers = _unpacked(rounded.values().numpy()).reshape(5, 3, 32)
    zeros = _unpacked(rounded.zeros().numpy())[:, :3, None]
    weights = ((numbers.astype(np.float32) - zeros) * rounded.scales().numpy()[..., None]).reshape(5, -1)[:, :70]
    assert np.abs(weights - matrix.T.numpy()).max() < 0.5 * rounded.scales().numpy().max() * 1.001
    np.testing.assert_allclose(computed(model, x, _INT8_KEPT), x @ weights.T, atol=1e-4)


@pytest.mark.parametrize("case", [case for case in CONSUMERS if case != "MatMul"])
def test_int4_stores_in_eight_bits_what_is_no_product_by_a_matrix(case):
    op, place, shape, axis, _, other_shape, attributes = CONSUMERS[case]
    graphs = []
    for storage in ("int8", "int4"):
        model, matrix = one_node(op, place, shape, other_shape, attributes)
        attach_stored(model, matrix, uneven(shape, axis), storage)
        graphs.append(ir.to_proto(model).SerializeToString())
    assert graphs[0] == graphs[1]


@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_a_matrix_that_is_not_multiplied_as_one_stays(op):
    model, matrix = one_node(op, 1, (3, 5), (3, 5), {})
    attach_stored(model, matrix, uneven((3, 5), 1), "int8")
    assert list(model.graph.initializers) == ["matrix"]
    np.testing.assert_array_equal(matrix.const_value.numpy(), uneven((3, 5), 1))
