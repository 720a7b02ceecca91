"""Matrices that a quantised graph still has in float32 are stored smaller; arithmetic with them stays in float32.

1. What multiplies one row per picture (``Gemm``: time and pooled embeddings), and tables of embeddings: int8 with a
   scale per output channel, as precision ``w8`` stores them.
2. Layers that were left in float, because they are at the ends of the graph or because a search lifted them: float16.
   int8 would take back a part of what leaving them out gave.
"""

from __future__ import annotations

import onnx_ir as ir
import torch

from edgediff_exporters.passes.store_smaller import attach_stored
from edgediff_runtimes.precisions import Storage

_MATRIX = 2  # axes
_LIFTED = ("Conv", "MatMul")


def store_rest(model: ir.Model, *, half: bool = False) -> None:
    """Store the matrices of a graph with its weights, in place; ``half``: all of them in float16."""
    for value in list(model.graph.initializers.values()):
        tensor = value.const_value
        if tensor is None or tensor.dtype != ir.DataType.FLOAT or len(tensor.shape) < _MATRIX:
            continue
        storage: Storage = "float16" if half or any(use.node.op_type in _LIFTED for use in value.uses()) else "int8"
        attach_stored(model, value, torch.from_numpy(tensor.numpy().copy()), storage)
