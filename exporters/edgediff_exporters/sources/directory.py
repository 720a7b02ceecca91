"""A local directory in diffusers' layout as a source."""

from __future__ import annotations

from pathlib import Path

from edgediff_exporters.sources.base import MODEL_INDEX, Source, read_json
from edgediff_exporters.weights import map_weights
from edgediff_runtimes.errors import SourceError

PICKLES = (".bin", ".ckpt", ".pt", ".pth")
_STEMS = ("diffusion_pytorch_model", "model")
_VARIANTS = ("", ".fp16")  # the plain file is preferred where both are there


def open_directory(folder: Path, *, name: str | None = None) -> Source:
    """Open a directory that diffusers' ``save_pretrained`` wrote.

    Args:
        folder: The directory.
        name: What to call the source; the directory's name where None.

    Raises:
        SourceError: It is no such directory, or holds its weights only as pickles.
    """
    name = name or folder.resolve().name
    if not (folder / MODEL_INDEX).is_file():
        raise SourceError(
            f"`{name}` is not a model directory: expected `{MODEL_INDEX}` in it",
            hint="give the directory that diffusers' `save_pretrained` writes, not one of its subdirectories",
        )
    index = read_json(folder / MODEL_INDEX)
    if not isinstance(index.get("_class_name"), str):
        raise SourceError(f"`{MODEL_INDEX}` of `{name}` does not say which pipeline it is: expected `_class_name`")
    parts = sorted(path for path in folder.iterdir() if path.is_dir() and (path / "config.json").is_file())
    files = tuple(file for part in parts for file in _find_files(part))
    return Source(name, folder, index, lambda origin: map_weights(weight_files(folder, origin)), files)


def weight_files(folder: Path, origin: str) -> list[Path]:
    """The ``.safetensors`` files of a component, shards included.

    Raises:
        SourceError: There are none, or a shard is missing.
    """
    files = _find_files(folder / origin)
    for file in files:
        if not file.is_file():
            raise SourceError(f"the weights of `{origin}` are not complete: `{file.name}` is missing")
    if files:
        return files
    pickles = (folder / origin).is_dir() and any(path.suffix in PICKLES for path in (folder / origin).iterdir())
    if pickles:
        raise SourceError(
            f"the weights of `{origin}` are there only as a pickle, which can run any code: expected `.safetensors`",
            hint="load the model with diffusers where you trust it and save it with "
            "`save_pretrained(..., safe_serialization=True)`",
        )
    raise SourceError(f"the component `{origin}` has no weights: expected a `.safetensors` file in `{origin}/`")


def _find_files(part: Path) -> list[Path]:
    for variant in _VARIANTS:
        for stem in _STEMS:
            if (single := part / f"{stem}{variant}.safetensors").is_file():
                return [single]
            if (index := part / f"{stem}.safetensors.index{variant}.json").is_file():
                shards = read_json(index).get("weight_map", {})
                # Only the name counts: a shard lies beside its index.
                return [part / Path(shard).name for shard in sorted(set(shards.values()))]
    return []
