"""Qualcomm's neural processors (Hexagon), whose compiler ONNX Runtime's provider for them, QNN, brings along.

It takes graphs of fixed shapes and plain operators, computes in float16 what is not quantised, and leaves to the
processor of the computer what it does not know. So operators that stand for several are written out.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx_ir as ir

from edgediff_exporters.passes.plain_operators import PlainOperators
from edgediff_exporters.progress import ExportProgress, OnProgress
from edgediff_exporters.targets.base import Modules, Target
from edgediff_runtimes.bundle import FileEntry, Manifest

# Operators that were seen to end on it, on Qualcomm's emulator; ``PlainOperators`` writes out most others.
COMPUTED = frozenset(
    (
        "Add",
        "ArgMax",
        "Cast",
        "Concat",
        "Conv",
        "Cos",
        "DequantizeLinear",
        "Equal",
        "Gather",
        "GatherND",
        "Gelu",
        "Gemm",
        "InstanceNormalization",
        "IsNaN",
        "LayerNormalization",
        "MatMul",
        "Mul",
        "Pad",
        "QuantizeLinear",
        "ReduceMean",
        "Reshape",
        "Resize",
        "Sigmoid",
        "Sin",
        "Slice",
        "Softmax",
        "Split",
        "Transpose",
        "Unsqueeze",
        "Where",
    )
)


class LeftOperatorsWarning(UserWarning):
    """A graph has operators that the processor of the computer may have to compute."""


def _with_plain_operators(folder: Path, manifest: Manifest, _modules: Modules, on_progress: OnProgress) -> Manifest:
    components = {}
    for role, component in manifest.components.items():
        on_progress(ExportProgress(role, "write", 0, 1))
        graphs = {graph.file for graph in component.fixed}
        components[role] = replace(component, files=_rewritten(folder, component.files, graphs))
        on_progress(ExportProgress(role, "write", 1, 1))
    return replace(manifest, components=components)


def _rewritten(folder: Path, files: Sequence[FileEntry], graphs: set[str]) -> tuple[FileEntry, ...]:
    """The files of a component, those of its graphs written anew; its weights stay as they are."""
    entries = []
    for entry in files:
        if entry.path not in graphs:
            entries.append(entry)
            continue
        model = ir.load(folder / entry.path)
        PlainOperators()(model)
        if others := sorted({node.op_type for node in model.graph} - COMPUTED):
            warnings.warn(
                f"`{Path(entry.path).parent.name}` has {', '.join(others)}, which no processor of `{QNN.name}` was "
                "seen to compute: the computer's own may do it in its place",
                LeftOperatorsWarning,
                stacklevel=2,
            )
        data = ir.to_proto(model).SerializeToString(deterministic=True)
        (folder / entry.path).write_bytes(data)
        entries.append(FileEntry(entry.path, len(data), hashlib.sha256(data).hexdigest()))
    return tuple(entries)


QNN = Target(
    name="qnn",
    processor="Qualcomm's neural processors (Hexagon)",
    format="onnx",
    precisions=("a16w8", "fp16"),
    verified="its graphs are run on the maker's emulator; nothing of it was ever run on such a processor here",
    time_outside=True,
    finish=_with_plain_operators,
)
