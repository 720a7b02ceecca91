"""Call the dynamic axes by their declared names: ``s37`` becomes ``height`` and ``8*s37`` becomes ``8*height``."""

from __future__ import annotations

import re

import onnx_ir as ir


def name_symbols(model: ir.Model, symbols: dict[str, str]) -> None:
    """Rename the axes of every value in place."""
    if not symbols:
        return
    pattern = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, symbols))})(?!\w)")

    def renamed(axis: int | ir.SymbolicDim) -> int | ir.SymbolicDim:
        if isinstance(axis, int) or axis.value is None:
            return axis
        return ir.SymbolicDim(pattern.sub(lambda match: symbols[match[1]], axis.value))

    values = [*model.graph.inputs, *model.graph.outputs, *(out for node in model.graph for out in node.outputs)]
    for value in {id(value): value for value in values}.values():
        if value.shape is not None:
            value.shape = ir.Shape([renamed(axis) for axis in value.shape])
