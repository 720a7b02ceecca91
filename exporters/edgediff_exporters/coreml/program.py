"""A component of fixed shapes as a program of ``torch.export``, in the operators that coremltools knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch._decomp import get_decompositions  # its only home; torch.export documents it

from edgediff_exporters.families.base import ComponentPlan, Outputs
from edgediff_exporters.tracing import quiet

_SEED = 0
_aten = torch.ops.aten


def _gelu(x: torch.Tensor, *, approximate: str = "none") -> Any:  # noqa: ANN401 - what leaves an operator as it is
    """In the form that coremltools makes one operator of; of torch's own it drops the word ``approximate``."""
    if approximate == "none":
        return NotImplemented
    return 0.5 * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3)))) * x


# Written in others, because coremltools 9.0 does not know them, or not all of them.
_WRITTEN_OUT = {
    **get_decompositions([_aten.new_ones.default, _aten.new_zeros.default, _aten._upsample_nearest_exact2d.vec]),  # noqa: SLF001 - an operator's name
    _aten.gelu.default: _gelu,
    _aten.__and__.Tensor: torch.bitwise_and,
    _aten.where.ScalarOther: lambda where, one, other: torch.where(where, one, torch.full_like(one, other)),
    _aten.where.ScalarSelf: lambda where, one, other: torch.where(where, torch.full_like(other, one), other),
}


@final
@dataclass(frozen=True, slots=True)
class Captured:
    """A program, what it was captured with, and what its module makes of that, in float32."""

    program: torch.export.ExportedProgram
    examples: tuple[torch.Tensor, ...]
    expected: Outputs


def fixed_plan(plan: ComponentPlan, lengths: Mapping[str, int]) -> ComponentPlan:
    """The component with fixed lengths for all axes."""
    inputs = tuple(replace(item, shape=item.sizes(lengths)) for item in plan.inputs)
    return replace(plan, inputs=inputs, traced={}, checked={})


def capture(plan: ComponentPlan, module: torch.nn.Module) -> Captured:
    """Capture a component.

    Args:
        plan: One of fixed shapes.
        module: Its module, with its weights in float32.
    """
    generator = torch.Generator().manual_seed(_SEED)
    examples = tuple(item.draw({}, generator) for item in plan.inputs)
    behind = _Behind(plan, module).eval()
    with quiet(), torch.no_grad():
        expected = behind(*examples)
        program = torch.export.export(behind, examples, strict=False)
        program = program.run_decompositions(dict(_WRITTEN_OUT))
    _without_aliases(program)
    return Captured(program, examples, expected)


def _without_aliases(program: torch.export.ExportedProgram) -> None:
    """Take out what gives an output a second name."""
    for node in list(program.graph.nodes):
        if node.op == "call_function" and node.target == _aten.alias.default:
            node.replace_all_uses_with(node.args[0])
            program.graph.erase_node(node)
    program.graph_module.recompile()


@final
class _Behind(torch.nn.Module):
    """The module behind positional tensors."""

    def __init__(self, plan: ComponentPlan, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module
        self._plan = plan

    def forward(self, *tensors: torch.Tensor) -> Outputs:
        return tuple(output.float() for output in self._plan.forward(self.module, *tensors))
