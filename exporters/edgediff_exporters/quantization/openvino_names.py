"""Which operation of an OpenVINO graph reads which parameter.

OpenVINO folds what turns a matrix round into a constant without a name. Operations keep their names from the ONNX
graph, where initialisers are called as the module's parameters are. What a constant holds is compared with the
parameter: one
that took in something else on the way (a scale, say) is not the parameter any more, and is left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.engines.openvino.weights import stored_in
from edgediff_runtimes.weights.onnx_weights import onnx_weights

_READS = {"Conv": 1, "MatMul": 1, "Gemm": 1, "Gather": 0}  # the input that the weights of a node go into
_SUFFIXES = ("/WithoutBiases", "")  # an operation with a bias becomes two, of which the sum has its name
_FURTHEST = 0.25  # of a parameter's norm, from what is stored: 4 bits differ by a tenth of it


def operations_of_weights(graph: Path, written: Path) -> dict[str, str]:
    """The operation of each parameter that the written graph does not call by its name.

    Args:
        graph: The fp32 ONNX graph.
        written: The OpenVINO graph that was made of it.
    """
    file, originals = onnx_weights(graph)
    parameters = {getattr(one, "name", ""): name for name, one in originals.items()}
    model = ov.Core().read_model(written)
    operations = {node.get_friendly_name() for node in model.get_ops()}
    named = stored_in(model, {})
    found: dict[str, str] = {}
    for node in file.nodes:
        parameter = parameters.get(node.inputs[_READS[node.op]]) if node.op in _READS else None
        operation = next((node.name + suffix for suffix in _SUFFIXES if node.name + suffix in operations), None)
        if parameter is not None and parameter not in named and operation is not None:
            found[parameter] = operation
    stored = stored_in(model, found)
    same = {}
    for parameter, operation in found.items():
        one, original = stored.get(parameter), originals[parameter]
        if one is None or one.shape != original.shape:
            continue
        values = original.read()
        if np.linalg.norm(one.read() - values) <= _FURTHEST * np.linalg.norm(values):
            same[parameter] = operation
    return same
