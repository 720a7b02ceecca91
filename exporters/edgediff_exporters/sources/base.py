"""A source: a trained model in diffusers' layout, wherever its weights come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from edgediff_exporters.weights import Weights
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families import Configs

MODEL_INDEX = "model_index.json"


@final
@dataclass(frozen=True, slots=True)
class Source:
    """A model that can be exported.

    Attributes:
        name: What it is called: a directory's or file's name, or a hub id. Never a path.
        folder: The directory with ``model_index.json``, the configs and the tokenizer.
        index: The content of ``model_index.json``.
        weights: Maps the weights of one component, by its directory's name.
        files: The files that hold weights, for the source's hash.
    """

    name: str
    folder: Path
    index: dict[str, Any]
    weights: Callable[[str], Weights]
    files: tuple[Path, ...]

    def config(self, origin: str) -> dict[str, Any]:
        """The config of one component.

        Raises:
            SourceError: There is none, or it is not JSON.
        """
        path = self.folder / origin / "config.json"
        if not path.is_file():
            raise SourceError(
                f"the component `{origin}` is missing from `{self.name}`: expected `{origin}/config.json`",
                hint="a source is the whole directory that diffusers' `save_pretrained` writes",
            )
        return read_json(path)

    def configs(self) -> Configs:
        """The configs of all components, for the model's family."""
        found = {path.parent.name: read_json(path) for path in sorted(self.folder.glob("*/config.json"))}
        return Configs(self.index, found)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        SourceError: It is not one.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"`{path.parent.name}/{path.name}` cannot be read as JSON ({error})") from error
    if not isinstance(values, dict):
        raise SourceError(f"`{path.parent.name}/{path.name}` is not a JSON object")
    return values
