"""Operations are counted right: against counts made by hand, for every kind that is counted."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff.bench.figures import operator_rows
from edgediff.bench.flops import _RULES, count_in, example_feeds, exported_nodes
from edgediff.bench.operators import count_operators
from edgediff.bench.peak import _matmul_graph, matmul_peak
from edgediff_runtimes.engines import EngineOptions, Graph

onnx = pytest.importorskip("onnx", reason="graphs to count are made with the exporter's packages")
from onnx import TensorProto, helper  # noqa: E402 - after the check that there is one


def _save(path, nodes, inputs, *, weights):
    """A graph of nodes whose last output is its output."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [
            helper.make_tensor(name, TensorProto.FLOAT, shape, np.ones(shape, np.float32).ravel())
            for name, shape in weights.items()
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=8
    )
    onnx.save(model, path)
    return path


def _feeds(inputs):
    return example_feeds({name: ("float32", shape) for name, shape in inputs.items()})


CASES = {
    # 2 * (2*8*5*5 outputs) * (3 channels * 3*3 filter)
    "Conv": ("Conv", {}, {"x": (2, 3, 5, 5)}, {"w": (8, 3, 3, 3)}, {"pads": [1, 1, 1, 1]}, 2 * 2 * 8 * 25 * 27),
    # three groups: each output sees two of the six channels
    "grouped Conv": ("Conv", {}, {"x": (1, 6, 4, 4)}, {"w": (9, 2, 1, 1)}, {"group": 3}, 2 * 9 * 16 * 2),
    # every input value is spread by a 2x2 filter into 5 channels
    "ConvTranspose": ("ConvTranspose", {}, {"x": (1, 4, 3, 3)}, {"w": (4, 5, 2, 2)}, {"strides": [2, 2]}, 2 * 36 * 20),
    "MatMul": ("MatMul", {}, {"x": (2, 7, 16)}, {"w": (16, 5)}, {}, 2 * 2 * 7 * 16 * 5),
    "Gemm": ("Gemm", {}, {"x": (3, 11)}, {"w": (11, 4)}, {}, 2 * 3 * 11 * 4),
    "transposed Gemm": ("Gemm", {}, {"x": (11, 3)}, {"w": (4, 11)}, {"transA": 1, "transB": 1}, 2 * 3 * 11 * 4),
}


def test_fused_attention_is_counted_as_the_products_that_it_stands_for(tmp_path):
    inputs = {"q": (2, 5, 12), "k": (2, 7, 12), "v": (2, 7, 9)}
    node = helper.make_node("MultiHeadAttention", ["q", "k", "v"], ["y"], domain="com.microsoft", num_heads=3)
    path = _save(tmp_path / "m.onnx", [node], inputs, weights={})
    found = count_in(exported_nodes(path, _feeds(inputs)))
    scores, weighed = 2 * (2 * 3 * 5 * 7) * 4, 2 * (2 * 3 * 5 * 3) * 7
    assert found["by_op"] == {"MultiHeadAttention": scores + weighed}
    assert found["uncounted"] == {}


@pytest.mark.parametrize("case", CASES)
def test_one_operation_is_counted_as_by_hand(tmp_path, case):
    op, _, inputs, weights, attributes, expected = CASES[case]
    node = helper.make_node(op, ["x", "w"], ["y"], **attributes)
    path = _save(tmp_path / "m.onnx", [node], inputs, weights=weights)
    assert count_in(exported_nodes(path, _feeds(inputs))) == {
        "flops": expected,
        "by_op": {op: expected},
        "dtype": "float32",
        "uncounted": {},
    }


def test_nothing_is_fused_away_and_the_rest_is_not_counted(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Einsum", ["d", "w2"], ["y"], equation="ij,jk->ik"),
    ]
    path = _save(tmp_path / "m.onnx", nodes, {"x": (2, 3)}, weights={"w": (3, 4), "b": (4,), "w2": (4, 4)})
    counted = count_in(exported_nodes(path, _feeds({"x": (2, 3)})))
    assert counted["by_op"] == {"MatMul": 2 * 2 * 3 * 4}
    assert counted["uncounted"] == {"Einsum": 1}


def test_the_precision_is_that_of_most_operations():
    """As the engine ran them: where a processor has no arithmetic in half precision, that is not the file's."""

    def node(dtype, rows):
        inputs = [{dtype: [rows, 4]}, {dtype: [4, 4]}]
        return {"op_name": "MatMul", "input_type_shape": inputs, "output_type_shape": [{dtype: [rows, 4]}]}

    assert count_in([node("float16", 9), node("float", 2)])["dtype"] == "float16"
    assert count_in([node("float16", 2), node("float", 9)])["dtype"] == "float32"


@pytest.mark.parametrize(
    ("op", "inputs"),
    {
        "ConvInteger": [(1, 3, 5, 5), (8, 3, 1, 1)],
        "QLinearConv": [(1, 3, 5, 5), (), (), (8, 3, 1, 1)],
        "MatMulInteger": [(25, 3), (3, 8)],
        "QLinearMatMul": [(25, 3), (), (), (3, 8)],
        "MatMulNBits": [(25, 3), (8, 1, 2), (8,)],
    }.items(),
)
def test_quantised_operations_count_as_what_they_stand_for(op, inputs):
    output = (1, 8, 5, 5) if "Conv" in op else (25, 8)
    assert _RULES[op](inputs, output) == 2 * 25 * 8 * 3


def test_the_hand_written_graph_is_a_valid_model_that_multiplies(tmp_path):
    onnx.checker.check_model(onnx.load_from_string(_matmul_graph(TensorProto.FLOAT)), full_check=True)
    path = tmp_path / "m.onnx"
    path.write_bytes(_matmul_graph(TensorProto.FLOAT))
    feeds = _feeds({"a": (4, 6), "b": (6, 5)})
    assert count_in(exported_nodes(path, feeds))["flops"] == 2 * 4 * 6 * 5


def test_a_precision_that_nothing_multiplies_has_no_peak():
    assert matmul_peak("float64", threads=1) == {}


def test_operators_before_and_after_fusion(tmp_path):
    """A convolution with its activation becomes one operator, an identity nothing."""
    weights, inputs = {"w": (4, 3, 3, 3)}, {"x": (1, 3, 8, 8)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Identity", ["b"], ["c"]),
        helper.make_node("Softmax", ["c"], ["y"], axis=1),
    ]
    path = _save(tmp_path / "m.onnx", nodes, inputs, weights=weights)
    feeds = _feeds(inputs)
    options = EngineOptions(low_memory=True)  # without the layouts that depend on the processor
    found = count_operators(Graph("unet", path, "onnx"), feeds, exported_nodes(path, feeds), options=options)
    assert found["exported"] == {"Conv": 1, "Identity": 1, "Relu": 1, "Softmax": 1}
    assert found["computed"] == {"FusedConv": 1, "Softmax": 1}
    assert found["fused"] == {"FusedConv": 1}
    assert operator_rows({"operators": {"unet": found, "vae_decoder": None}}) == [
        ("unet", "4", "2", "1", "1 FusedConv")
    ]
    assert operator_rows({}) == []  # a report of 1.1
