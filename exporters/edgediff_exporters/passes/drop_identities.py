"""Drop arithmetic that changes nothing.

1. ``x * 1``, ``x / 1``, ``x + 0`` and ``x - 0`` become ``x`` where the constant is a scalar of exactly that value.
2. Exactly: an epsilon of 1e-15 is not zero. It decides whether a denominator can be.
3. A constant with more axes than ``x`` would broadcast, so it stays.
"""

from __future__ import annotations

from typing import final

import onnx_ir as ir

_NEUTRAL = {"Mul": 1.0, "Div": 1.0, "Add": 0.0, "Sub": 0.0}


@final
class DropIdentities(ir.passes.InPlacePass):
    """The pass."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Drop them in place."""
        modified = False
        for node in list(model.graph):
            kept = _unchanged_input(node)
            if kept is not None and not node.outputs[0].is_graph_output():
                node.outputs[0].replace_all_uses_with(kept)
                model.graph.remove(node, safe=True)
                modified = True
        return ir.passes.PassResult(model, modified)


def _unchanged_input(node: ir.Node) -> ir.Value | None:
    if node.domain or node.op_type not in _NEUTRAL:
        return None
    left, right = node.inputs
    if left is None or right is None:
        return None
    if _is_scalar(right, _NEUTRAL[node.op_type], left):
        return left
    if node.op_type in ("Mul", "Add") and _is_scalar(left, _NEUTRAL[node.op_type], right):
        return right
    return None


def _is_scalar(value: ir.Value, number: float, other: ir.Value) -> bool:
    constant = value.const_value
    if constant is None and (producer := value.producer()) is not None and producer.op_type == "Constant":
        attribute = producer.attributes.get("value")
        constant = None if attribute is None else attribute.as_tensor()
    if constant is None or constant.size != 1 or other.shape is None or len(constant.shape) > len(other.shape):
        return False
    return float(constant.numpy().reshape(())) == number
