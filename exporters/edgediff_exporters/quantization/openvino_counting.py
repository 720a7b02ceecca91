"""How much of a written OpenVINO graph is quantised, counted in the graph itself and not in what was asked for.

An operator's weights are quantised where one of its inputs is stored in whole numbers, its activations where one is
computed and rounded by a ``FakeQuantize``, which OpenVINO turns into integer arithmetic where a device has any.
"""

from __future__ import annotations

from pathlib import Path

from edgediff_exporters.quantization.openvino_layers import CONVOLUTIONS, stored
from edgediff_runtimes.bundle import OperatorCount
from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.engines.openvino.reading import read_model
from edgediff_runtimes.engines.openvino.weights import is_rounded

_TABLE = 2  # axes of a table of embeddings
_WHOLE = ("i8", "u8", "i4", "u4")
_FLOATS = ("f32", "f16", "bf16")


def count_operators(path: Path) -> dict[str, OperatorCount]:
    """The operators of a graph that have weights, or could, by OpenVINO's type.

    Args:
        path: The ``.xml`` file; the weights lie beside it.
    """
    counts: dict[str, OperatorCount] = {}
    for node in read_model(ov.Core(), path).get_ordered_ops():
        kind = node.get_type_name()
        if kind not in (*CONVOLUTIONS, "MatMul") and not (kind == "Gather" and _is_table(node)):
            continue
        seen = counts.get(kind, OperatorCount(0, 0, 0))
        sources = [source.get_node() for source in node.input_values()[:2]]
        counts[kind] = OperatorCount(
            seen.total + 1,
            seen.quantised_weights + any(map(_is_stored_whole, sources)),
            seen.quantised_activations + any(is_rounded(node) for node in sources if stored(node) is None),
        )
    return dict(sorted(counts.items()))


def _is_stored_whole(node: ov.Node) -> bool:
    constant = stored(node)
    return constant is not None and constant.get_element_type().get_type_name() in _WHOLE


def _is_table(node: ov.Node) -> bool:
    """Whether a Gather looks rows of weights up, and not axes of a shape."""
    rows = node.input_value(0)
    return (
        stored(rows.get_node()) is not None
        and rows.get_partial_shape().rank.get_length() >= _TABLE
        and rows.get_element_type().get_type_name() in _FLOATS
    )
