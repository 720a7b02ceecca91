"""Graphs of files: where the weights of one in OpenVINO's own format are."""

from __future__ import annotations

from pathlib import Path

from edgediff_runtimes.engines.openvino.library import ov

_SHARED = "openvino_model.bin"  # as the weights of a graph for any size are called


def weights_of(path: Path) -> Path:
    """The file with the weights of a graph: graphs for several sizes have one together."""
    own = path.with_suffix(".bin")
    shared = path.with_name(_SHARED)
    return own if own.is_file() or not shared.is_file() else shared


def shares_weights(path: Path) -> bool:
    """Whether they are in a file of another name than the graph's, where the library does not look by itself."""
    return path.suffix == ".xml" and weights_of(path) != path.with_suffix(".bin")


def read_model(core: ov.Core, path: Path) -> ov.Model:
    """A graph of its file, in any format that the library reads."""
    return core.read_model(path, weights_of(path)) if shares_weights(path) else core.read_model(path)
