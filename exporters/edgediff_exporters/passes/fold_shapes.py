"""Fold what is constant in the graph's shape arithmetic.

1. A node whose inputs are all small constants becomes its value.
2. Parameters have no value at this point, so no weight is ever folded, whatever its size.
3. ``CastLike``, ``Shape`` of a known axis, ``SequenceAt`` of a split and the like become plainer nodes.
"""

from __future__ import annotations

import onnx_ir as ir
from onnxscript.optimizer import _constant_folding  # the pass alone; `optimize` would run the value-reading rules too

_LIMIT = 1024


def fold_shapes() -> ir.passes.InPlacePass:
    """The pass."""
    folding: ir.passes.InPlacePass = _constant_folding.FoldConstantsPass(
        shape_inference=True, input_size_limit=_LIMIT, output_size_limit=_LIMIT
    )
    return folding
