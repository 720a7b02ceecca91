"""How fast this machine multiplies matrices: the limit that a network's speed is held against."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from edgediff_runtimes.engines.onnxruntime_library import ort

_SIZE = 1536
_SECONDS = 1.0
_ERRORS_ONLY = 3
_ONNX_TYPES = {"float32": 1, "float16": 10}


def matmul_peak(dtype: str, *, threads: int | None) -> dict[str, float]:
    """GFLOP/s of the fastest of many square matrix products, by the library that multiplied.

    Args:
        dtype: ``float32`` or ``float16``.
        threads: As for the engine. NumPy's library reads its own variables (``OPENBLAS_NUM_THREADS`` ...) when it is
            imported; set them before.

    Returns:
        One figure per library; empty for a dtype that neither multiplies. NumPy is left out for float16, which it
        multiplies without a library.
    """
    if dtype not in _ONNX_TYPES:
        return {}
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal((_SIZE, _SIZE), np.float32).astype(dtype) for _ in range(2))
    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads or 0
    session = ort.InferenceSession(_matmul_graph(_ONNX_TYPES[dtype]), options, providers=["CPUExecutionProvider"])
    peaks = {"onnxruntime": _gflops(lambda: session.run(None, {"a": a, "b": b}))}
    if dtype == "float32":
        peaks["numpy"] = _gflops(lambda: a @ b)
    return peaks


def _gflops(product: Callable[[], object]) -> float:
    best = float("inf")
    ends = time.perf_counter() + _SECONDS
    while time.perf_counter() < ends or best == float("inf"):
        began = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - began)
    return float(2 * _SIZE**3 / best / 1e9)


def _matmul_graph(element_type: int) -> bytes:
    """An ONNX model of one ``MatMul``, in protobuf's wire format: the ``onnx`` package is no part of the base install.

    Field numbers are those of onnx.proto: ModelProto (ir_version 1, graph 7, opset_import 8), GraphProto (node 1,
    name 2, input 11, output 12), NodeProto (input 1, output 2, op_type 4), ValueInfoProto (name 1, type 2).
    """

    def message(number: int, payload: bytes) -> bytes:
        return bytes([number << 3 | 2, len(payload)]) + payload  # all are shorter than 128 bytes

    def integer(number: int, value: int) -> bytes:
        return bytes([number << 3, value])

    def tensor(name: bytes) -> bytes:
        shape = message(1, message(2, b"rows")) + message(1, message(2, b"columns"))
        return message(1, name) + message(2, message(1, integer(1, element_type) + message(2, shape)))

    node = message(1, b"a") + message(1, b"b") + message(2, b"c") + message(4, b"MatMul")
    tensors = message(11, tensor(b"a")) + message(11, tensor(b"b")) + message(12, tensor(b"c"))
    opset = message(8, message(1, b"") + integer(2, 17))
    return integer(1, 8) + message(7, message(1, node) + message(2, b"g") + tensors) + opset
