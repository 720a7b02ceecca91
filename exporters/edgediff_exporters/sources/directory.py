"""A local directory in diffusers' layout as a source."""

from __future__ import annotations

import contextlib
from pathlib import Path

from edgediff_exporters.sources.base import MODEL_INDEX, Source, place_of
from edgediff_exporters.sources.files import find_file, names_in, read_json
from edgediff_exporters.sources.weight_files import find_weight_files, weight_files
from edgediff_exporters.weights import Weights, map_weights
from edgediff_runtimes.errors import SourceError


def open_directory(folder: Path, *, name: str | None = None) -> Source:
    """Open a directory that diffusers' ``save_pretrained`` wrote.

    Args:
        folder: The directory.
        name: What to call the source; the directory's name where None.

    Raises:
        SourceError: It is no such directory, or holds its weights only as pickles.
    """
    folder = folder.resolve()
    name = name or folder.name
    if find_file(folder, MODEL_INDEX) is None:
        raise SourceError(
            f"`{name}` is not a model directory: expected `{MODEL_INDEX}` in it",
            hint="give the directory that diffusers' `save_pretrained` writes, not one of its subdirectories",
        )
    index = read_json(folder, MODEL_INDEX)
    if not isinstance(index.get("_class_name"), str):
        raise SourceError(f"`{MODEL_INDEX}` of `{name}` does not say which pipeline it is: expected `_class_name`")
    files: list[Path] = []
    for part in (*names_in(folder), "."):
        with contextlib.suppress(SourceError):  # raised where its weights are asked for; some parts nobody asks for
            if find_file(folder, f"{part}/config.json") is not None:
                files += find_weight_files(folder, part)

    def weights(origin: str) -> Weights:
        return map_weights(weight_files(folder, origin, place=place_of(folder, index, origin)))

    return Source(name, folder, index, weights, tuple(files))
