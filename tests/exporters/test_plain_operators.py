"""Operators written out as plainer ones compute what they computed."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper, parser

from edgediff_exporters.passes.plain_operators import PlainOperators
from edgediff_runtimes.engines import EngineOptions, Graph, get_engine
from edgediff_runtimes.errors import ExportError
from edgediff_runtimes.weights.onnx_weights import onnx_weights

HEADER = '<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>'


def numbers(*shape, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def plain(text, tensors, tmp_path):
    """Paths of a graph as it is and as it is written out, and the operators of the latter."""
    model = parser.parse_model(f"{HEADER} {text}")
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in tensors.items())
    for index, node in enumerate(model.graph.node):
        node.name = f"node_{index}"
    before, after = tmp_path / "before.onnx", tmp_path / "after.onnx"
    onnx.save(onnx.shape_inference.infer_shapes(model), before)
    written = ir.load(before)
    PlainOperators()(written)
    onnx.save(ir.to_proto(written), after)
    if not any(node.domain for node in written.graph):
        onnx.checker.check_model(after, full_check=True)
    return before, after, [node.op_type for node in written.graph]


def computed(path, feeds):
    with get_engine("onnxruntime").load(Graph("g", path, "onnx"), device="cpu", options=EngineOptions()) as session:
        return session.run(feeds)["y"]


def same(text, tensors, feeds, tmp_path, *, tolerance=2e-6):
    before, after, operators = plain(text, tensors, tmp_path)
    expected, got = computed(before, feeds), computed(after, feeds)
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= tolerance * np.abs(expected).max()
    return operators


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (1, 6, 5)], ids=["picture", "tokens"])
def test_group_norm(shape, tmp_path):
    axes = ", ".join(map(str, shape))
    text = f"g (float[{axes}] x) => (float[{axes}] y) {{ y = GroupNormalization <num_groups = 3> (x, scale, bias) }}"
    tensors = {"scale": numbers(6, seed=1), "bias": numbers(6, seed=2)}
    operators = same(text, tensors, {"x": 3 + numbers(*shape)}, tmp_path)
    assert operators.count("InstanceNormalization") == 1
    assert "GroupNormalization" not in operators


def test_group_norm_in_half_precision(tmp_path):
    text = """g (float[1, 4, 4, 4] x) => (float[1, 4, 4, 4] y)
    { h = Cast <to = 10> (x)
      n = GroupNormalization <num_groups = 2, epsilon = 0.01> (h, scale, bias)
      y = Cast <to = 1> (n) }"""
    tensors = {"scale": numbers(4, seed=1).astype(np.float16), "bias": numbers(4, seed=2).astype(np.float16)}
    same(text, tensors, {"x": numbers(1, 4, 4, 4)}, tmp_path, tolerance=2e-3)


@pytest.mark.parametrize("scale", ["", ", scale = 0.3"], ids=["usual", "given"])
def test_attention(scale, tmp_path):
    text = f"""g (float[2, 5, 12] q, float[2, 7, 12] k, float[2, 7, 6] v) => (float[2, 5, 6] y)
    {{ y = com.microsoft.MultiHeadAttention <num_heads = 3{scale}> (q, k, v) }}"""
    feeds = {"q": numbers(2, 5, 12), "k": numbers(2, 7, 12, seed=1), "v": numbers(2, 7, 6, seed=2)}
    before, after, operators = plain(text, {}, tmp_path)
    assert operators.count("MatMul") == 2
    assert operators.count("Softmax") == 1
    np.testing.assert_allclose(computed(after, feeds), computed(before, feeds), atol=2e-6)


def test_attention_with_a_mask_stays(tmp_path):
    text = """g (float[1, 5, 12] q, float[1, 5, 12] k, float[1, 5, 12] v, float[1, 1, 5, 5] m) => (float[1, 5, 12] y)
    { y = com.microsoft.MultiHeadAttention <num_heads = 3> (q, k, v, , , m) }"""
    assert plain(text, {}, tmp_path)[2] == ["MultiHeadAttention"]


def einsum(equation, left, right):
    a, b = (", ".join(map(str, shape)) for shape in (left, right))
    given = ", ".join("?" * len(equation.partition("->")[2]))
    return f'g (float[{a}] a, float[{b}] b) => (float[{given}] y) {{ y = Einsum <equation = "{equation}"> (a, b) }}'


@pytest.mark.parametrize(
    ("equation", "left", "right"),
    [
        ("bct,bcs->bts", (2, 3, 4), (2, 3, 5)),
        ("bts,bcs->bct", (2, 4, 5), (2, 3, 5)),
        ("ij,jk->ik", (3, 4), (4, 5)),
        ("ij,jk->ki", (3, 4), (4, 5)),
        ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ],
)
def test_einsum(equation, left, right, tmp_path):
    operators = same(einsum(equation, left, right), {}, {"a": numbers(*left), "b": numbers(*right, seed=1)}, tmp_path)
    assert {*operators} <= {"MatMul", "Transpose"}


@pytest.mark.parametrize("equation", ["bij,bij->b", "ij,kl->ijkl", "ii,ij->j"])
def test_einsum_that_is_no_product_stays(equation, tmp_path):
    sides = (3,) * len(equation.partition(",")[0])
    assert plain(einsum(equation, sides, sides), {}, tmp_path)[2] == ["Einsum"]


ROUNDED = """g (float[1, 4, 6] x) => (float[1, 4, 5] y)
{
    n = LayerNormalization <axis = -1, epsilon = 0.001> (x, scale, bias)
    r = QuantizeLinear (n, s, z)
    rd = DequantizeLinear (r, s, z)
    wd = DequantizeLinear <axis = 1> (w, ws, wz)
    p = MatMul (rd, wd)
    pr = QuantizeLinear (p, ps, z)
    y = DequantizeLinear (pr, ps, z)
}"""


def product():
    return {
        "scale": numbers(6, seed=1),
        "bias": numbers(6, seed=2),
        "s": np.float32(1e-4),
        "z": np.uint16(30000),
        "w": np.random.default_rng(3).integers(-127, 128, (6, 5)).astype(np.int8),
        "ws": 0.01 + np.abs(numbers(5, seed=4)),
        "wz": np.zeros(5, np.int8),
        "ps": np.float32(2e-2),
    }


def test_a_product_of_whole_numbers_and_the_norm_in_front_of_it(tmp_path):
    # Rounding a number that lies between two may go either way: one step of the result.
    operators = same(ROUNDED, product(), {"x": numbers(1, 4, 6)}, tmp_path, tolerance=2e-3)
    assert "MatMul" not in operators
    assert [operators.count(op) for op in ("Gemm", "LayerNormalization", "Mul", "Add", "Transpose")] == [1] * 5


def test_weights_of_such_a_product_are_found_and_changed(tmp_path):
    tensors, given = product(), {"x": numbers(1, 4, 6)}
    tensors["fc_weight_transposed_quantized"] = tensors.pop("w")
    text = ROUNDED.replace("(w, ws, wz)", "(fc_weight_transposed_quantized, ws, wz)")
    paths = plain(text, tensors, tmp_path)[:2]
    for path in paths:  # the parser takes no dots in names
        path.write_bytes(path.read_bytes().replace(b"fc_weight_transposed", b"fc.weight.transposed"))
    original = computed(paths[0], given)
    files = [onnx_weights(path) for path in paths]
    values = [weights["fc.weight"].read() for _, weights in files]
    np.testing.assert_array_equal(values[0], values[1])
    changed = values[0] + 40 * numbers(5, 6, seed=9)
    for path, (file, weights) in zip(paths, files, strict=True):
        path.write_bytes(file.rewritten(weights["fc.weight"].write_changed(changed)))
    values = [onnx_weights(path)[1]["fc.weight"].read() for path in paths]
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_allclose(values[0], changed, atol=float(np.abs(changed).max()) / 127)
    expected, got = (computed(path, given) for path in paths)
    largest = float(np.abs(expected).max())
    assert np.abs(got - expected).max() <= 4e-3 * largest  # twice what it is in the test above
    assert np.abs(original - expected).max() > 5e-2 * largest


def test_a_graph_of_any_shape_is_refused(tmp_path):
    text = (
        "g (float[n, 6, 4, 4] x) => (float[n, 6, 4, 4] y) { y = GroupNormalization <num_groups = 3> (x, scale, bias) }"
    )
    with pytest.raises(Exception, match="the shape of `x` is not fixed") as caught:
        plain(text, {"scale": numbers(6), "bias": numbers(6)}, tmp_path)
    assert isinstance(caught.value.__cause__ or caught.value, ExportError)
