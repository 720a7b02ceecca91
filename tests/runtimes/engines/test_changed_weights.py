"""Weights that change at load where whole numbers are only stored: float16 in their place, in every engine.

So are some in graphs of the precision ``int8``: what they multiply is not rounded.
"""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from edgediff_runtimes.engines import EngineOptions, Graph, get_engine
from edgediff_runtimes.weights.schemes import Scaled

NAME, WIDTH = "layer.weight", 64
RNG = np.random.default_rng(0)
VALUES = RNG.standard_normal((WIDTH, WIDTH)).astype(np.float32)
ROWS = RNG.standard_normal((2, WIDTH)).astype(np.float32)


CHANGE = SimpleNamespace(
    fingerprint="1", tensors=lambda stored: iter(stored[NAME].write_changed(VALUES.copy()).items())
)


@pytest.fixture(scope="module", params=["inside", "beside"])
def path(request, tmp_path_factory):
    """A product with a matrix in int8, as the exporter stores it for ``w8``."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    tensors = {
        f"{NAME}.transposed.int8": RNG.integers(-127, 128, (WIDTH, WIDTH), dtype=np.int8),
        f"{NAME}.transposed.scale": np.full(WIDTH, 0.01, np.float32),
    }
    full = f"{NAME}.transposed.full"
    nodes = [
        helper.make_node("DequantizeLinear", [*tensors], [full], name="widen", axis=1),
        helper.make_node("MatMul", ["rows", full], ["product"], name="/layer/MatMul"),
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", WIDTH]) for name in ("rows", "product")
    ]
    graph = helper.make_graph(
        nodes, "w8", ends[:1], ends[1:], [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()]
    )
    path = tmp_path_factory.mktemp("w8") / "model.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save_model(
        model, path, save_as_external_data=request.param == "beside", location="model.onnx_data", size_threshold=0
    )
    return path


def product(path, engine, *, format_="onnx", precision="w8", **options):
    graph = Graph("unet", path, format_, precision=precision, change=CHANGE)
    with get_engine(engine).load(graph, device="auto", options=EngineOptions(**options)) as session:
        return session.run({"rows": ROWS})["product"]


ONCE = ROWS @ VALUES.T.astype(np.float16).astype(np.float32)
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}  # of sums in another order; int8 would be off by 0.1


@pytest.mark.parametrize("precision", ["w8", "int8"])
@pytest.mark.parametrize("low_memory", [False, True])
def test_onnxruntime_rounds_once(path, precision, low_memory):
    got = product(path, "onnxruntime", precision=precision, low_memory=low_memory)
    np.testing.assert_allclose(got, ONCE, **TOLERANCE)


def test_openvino_rounds_once(path, openvino):  # noqa: ARG001 - where it is installed
    np.testing.assert_allclose(product(path, "openvino"), ONCE, **TOLERANCE)


@pytest.mark.parametrize("kind", ["f16", "f32"])  # of the scales: as NNCF leaves them, and as an ONNX graph has them
def test_openvino_rounds_its_own_format_once(openvino, tmp_path, kind):  # noqa: ARG001 - where it is installed
    from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - there only where it is installed

    ops, kind = ov.opset13, getattr(ov.Type, kind)
    rows = ops.parameter([-1, WIDTH], ov.Type.f32, name="rows")
    numbers = ops.constant(RNG.integers(-127, 128, (WIDTH, WIDTH), dtype=np.int8), name=f"{NAME}_compressed")
    scales = ops.constant(np.full((WIDTH, 1), 0.01), kind)
    weights = ops.convert(ops.multiply(ops.convert(numbers, kind), scales), ov.Type.f32)
    result = ops.matmul(rows, weights, transpose_a=False, transpose_b=True)
    result.output(0).set_names({"product"})
    rows.output(0).set_names({"rows"})
    ov.save_model(ov.Model([result], [rows]), tmp_path / "openvino_model.xml", compress_to_fp16=False)
    got = product(tmp_path / "openvino_model.xml", "openvino", format_="openvino")
    np.testing.assert_allclose(got, ONCE, **TOLERANCE)


_OVERFLOWING = """
import sys
import numpy as np
from edgediff_runtimes.engines.openvino.library import ov

ops, numbers = ov.opset13, np.load(sys.argv[1])
rows = ops.parameter([-1, -1, numbers.shape[1]], ov.Type.f32)
ends = [ops.constant(np.float32(end)) for end in (0, 255)]
rounded = ops.fake_quantize(rows, *ends, *ends, 256)
scales = ops.constant(np.ones((len(numbers), 1), np.float32))
weights = ops.multiply(ops.convert(ops.constant(numbers), ov.Type.f32), scales)
model = ov.compile_model(ov.Model([ops.matmul(rounded, weights, False, True)], [rows]), "CPU")
given = 255 * np.random.default_rng(0).integers(0, 2, (1, 64, numbers.shape[1])).astype(np.float32)
print(np.abs(model(given)[0] - given @ numbers.astype(np.float32).T).max())
"""


def test_neighbours_do_not_overflow_without_vnni(openvino, tmp_path):  # noqa: ARG001 - where it is installed
    """OpenVINO's kernels for AVX2, which any newer processor has too: they add two products in 16 bits."""
    tensors = {"numbers": RNG.integers(-63, 64, (WIDTH, WIDTH), dtype=np.int8), "scales": np.ones(WIDTH, np.float32)}
    stored = Scaled(tensors.__getitem__, "numbers", "scales", 0, (WIDTH, WIDTH), computed=True, paired=True)
    off = []
    for numbers in (stored.write(VALUES)["numbers"], np.full((WIDTH, WIDTH), 127, np.int8)):
        np.save(tmp_path / "numbers.npy", numbers)
        command = [sys.executable, "-c", _OVERFLOWING, str(tmp_path / "numbers.npy")]
        environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
        off.append(float(subprocess.run(command, check=True, capture_output=True, env=environment).stdout))
    assert off[0] == 0
    if off[1] == 0:
        pytest.skip("a processor of another kind")
