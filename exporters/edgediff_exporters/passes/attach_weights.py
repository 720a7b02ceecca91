"""Give each parameter of the graph its value, to be read from the mapped checkpoint only when it is written.

1. A parameter takes the checkpoint's tensor of its name, converted to its dtype when it is read.
2. A parameter that is used only by ``Transpose`` nodes of one permutation is stored transposed and the nodes go: the
   engine would otherwise keep a second copy of it.
3. Matrices are stored in the form asked for, see ``store_smaller``.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir
import torch

from edgediff_exporters.passes.store_smaller import attach_stored
from edgediff_runtimes.precisions import Storage


def attach_weights(model: ir.Model, tensors: Mapping[str, torch.Tensor], *, storage: Storage) -> None:
    """Attach values in place.

    Args:
        model: The graph; its valueless initialisers are the parameters.
        tensors: Values by parameter name, all of them there, see ``completeness``.
        storage: How matrices of float32 are stored.
    """
    for value in list(model.graph.initializers.values()):
        if value.const_value is not None:
            continue
        name, shape = str(value.name), _lengths(value)
        # A 1x1 convolution of an old checkpoint is a linear layer today: same values, fewer axes.
        target, stored = _without_transposes(model, value, tensors[name].reshape(shape))
        attach_stored(model, target, stored, storage)


def _lengths(value: ir.Value) -> list[int]:
    return [axis for axis in (value.shape or ()) if isinstance(axis, int)]


def _without_transposes(model: ir.Model, value: ir.Value, tensor: torch.Tensor) -> tuple[ir.Value, torch.Tensor]:
    consumers = value.consumers()
    permutations = {_permutation(node, tensor.ndim) for node in consumers}
    if len(permutations) != 1 or (permutation := permutations.pop()) is None:
        return value, tensor
    stored = ir.Value(
        name=f"{value.name}.transposed",
        type=value.type,
        shape=ir.Shape(tensor.permute(permutation).shape),
    )
    for node in list(consumers):
        node.outputs[0].replace_all_uses_with(stored)
        model.graph.remove(node, safe=True)
    del model.graph.initializers[str(value.name)]
    model.graph.initializers[str(stored.name)] = stored
    return stored, tensor.permute(permutation)


def _permutation(node: ir.Node, axes: int) -> tuple[int, ...] | None:
    if node.op_type != "Transpose":
        return None
    return tuple(node.attributes["perm"].as_ints()) if "perm" in node.attributes else tuple(reversed(range(axes)))
