"""Drop ``Squeeze`` where it changes nothing.

In PyTorch, squeezing an axis that is longer than 1 leaves the tensor as it is; in ONNX it is an error. A traced graph
tells such a node by its output, which has as many axes as its input.
"""

from __future__ import annotations

from typing import final

import onnx_ir as ir


@final
class DropSqueezes(ir.passes.InPlacePass):
    """The pass."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Drop them in place."""
        modified = False
        for node in list(model.graph):
            if node.op_type != "Squeeze" or node.domain or node.outputs[0].is_graph_output():
                continue
            taken, given = node.inputs[0], node.outputs[0]
            if taken is None or taken.shape is None or given.shape is None or len(taken.shape) != len(given.shape):
                continue
            given.replace_all_uses_with(taken)
            model.graph.remove(node, safe=True)
            modified = True
        return ir.passes.PassResult(model, modified)
