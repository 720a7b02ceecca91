"""Passes over the traced graph, in the order they run. One file each.

onnxscript's own optimiser is not used whole: its rule "x + 0 is x" takes everything below 1e-8 for zero and so deletes
the small epsilons that models add to denominators, silently. The passes here never look at a number to decide.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript.rewriter import RewritePass
from onnxscript.rewriter.rules import common as rules

from edgediff_exporters.passes.drop_identities import DropIdentities
from edgediff_exporters.passes.drop_squeezes import DropSqueezes
from edgediff_exporters.passes.fold_shapes import fold_shapes
from edgediff_exporters.passes.name_symbols import name_symbols

__all__ = ["simplify"]

# Rules about structure only. None compares values.
_RULES = [
    rules.no_op_cast_rule,
    rules.cast_cast_rule,
    rules.no_op_transpose_rule,
    rules.transpose_transpose_rule,
    rules.no_op_expand_rule,
    rules.reshape_reshape_rule,
    rules.unsqueeze_unsqueeze_rule,
    rules.squeeze_reshape_1d_rule,
    rules.collapse_slice_rule,
    rules.collapse_slice2_rule,
    rules.materialize_reshape_shape_rule,
]
_ROUNDS = 3  # a round exposes work for the next; nothing changed after the third on any graph tried


def simplify(model: ir.Model, symbols: dict[str, str]) -> None:
    """Make a traced graph smaller without changing what it computes, in place.

    Args:
        model: The graph; parameters have no value yet, so nothing here can fold or even read them.
        symbols: The tracer's name of each dynamic axis and the declared one.
    """
    round_ = (
        fold_shapes(),
        RewritePass(_RULES),
        DropIdentities(),
        common.RemoveUnusedNodesPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.CommonSubexpressionEliminationPass(),
        common.RemoveUnusedNodesPass(),
    )
    ir.passes.Sequential(
        common.InlinePass(),
        DropSqueezes(),
        ir.passes.PassManager(round_, steps=_ROUNDS),
        common.RemoveUnusedFunctionsPass(),  # type: ignore[no-untyped-call] # its constructor has no annotations
        common.RemoveUnusedOpsetsPass(),
        common.OutputFixPass(),
        common.ClearMetadataAndDocStringPass(),
        common.NameFixPass(),
    )(model)
    name_symbols(model, symbols)
