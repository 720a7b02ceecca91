"""An ONNX graph for ONNX Runtime with other weights, and no second copy of those that stay.

Tensors in the graph's own file, and those that got longer, are written into a copy of its bytes, which are few: large
graphs have their weights beside them. Those beside it stay there; each that changes is given to the library by its
name, which then does not read it. The library must be told so before it optimises, because it computes with weights
then (``add_initializer``, which looks alike, comes after that). The copy says what becomes float16.
"""

from __future__ import annotations

from edgediff_runtimes.engines.base import Graph
from edgediff_runtimes.engines.onnxruntime_library import ort
from edgediff_runtimes.tensors import Array
from edgediff_runtimes.weights.change import WeightChange
from edgediff_runtimes.weights.onnx_weights import onnx_weights

_FOLDER = "session.model_external_initializers_file_folder_path"


def changed_model(graph: Graph, change: WeightChange, settings: ort.SessionOptions) -> tuple[bytes, object]:
    """A graph for ``InferenceSession``, in place of its path.

    Args:
        graph: The graph.
        change: What becomes of its weights.
        settings: Gets the tensors beside the graph.

    Returns:
        The graph's bytes, and what must be kept as long as its session lives.

    Raises:
        AdapterError: The change does not fit.
        BundleError: The graph cannot be read.
    """
    file, stored = onnx_weights(graph.path)
    inside: dict[str, Array] = {}
    beside: dict[str, Array] = {}
    for name, array in change.tensors(stored):
        one = file.initialisers[name]
        (inside if one.file is None or array.shape != one.shape else beside)[name] = array
    if beside:
        values = [ort.OrtValue.ortvalue_from_numpy(array) for array in beside.values()]
        settings.add_external_initializers([*beside], values)
    settings.add_session_config_entry(_FOLDER, str(graph.path.parent))
    return file.rewritten(inside, beside), beside
