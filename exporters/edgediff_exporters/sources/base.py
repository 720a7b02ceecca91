"""A source: a trained model in diffusers' layout, wherever its weights come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from edgediff_exporters.sources.files import find_file, names_in, read_json
from edgediff_exporters.weights import Weights
from edgediff_runtimes.errors import SourceError, shown
from edgediff_runtimes.families import Configs

MODEL_INDEX = "model_index.json"

# Lengths in a config become tensors and layers: no model has longer ones, and a larger number would take the memory,
# or the time, before the weights show that it is wrong.
_LONGEST = 2**24
_MOST_LAYERS = 256


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
        unread: Names of tensors in these files that belong to no component.
        write_vocabulary: Writes a tokenizer's ``vocab.json`` and ``merges.txt`` where the directory lacks them.
    """

    name: str
    folder: Path
    index: dict[str, Any]
    weights: Callable[[str], Weights]
    files: tuple[Path, ...]
    unread: tuple[str, ...] = ()
    write_vocabulary: Callable[[Path], None] | None = None

    def scheduler(self) -> dict[str, Any]:
        """The scheduler's config; an infinity is the text ``inf`` or ``-inf``."""
        return self.read("scheduler", "scheduler_config.json", infinities=True)

    def find(self, relative: str) -> Path | None:
        """A file by its path in the directory; None where there is no regular file.

        Raises:
            SourceError: A link leads out of the directory.
        """
        return find_file(self.folder, relative)

    def read(self, origin: str, name: str, *, infinities: bool = False) -> dict[str, Any]:
        """A JSON object that describes a component.

        Args:
            origin: The component's directory.
            name: The file's name in it.
            infinities: As of ``edgediff_runtimes.untrusted.documents.parse_json``.

        Raises:
            SourceError: There is none, or it is not JSON.
        """
        where = f"{place_of(self.folder, self.index, origin)}/{name}"
        if self.find(where) is None:
            raise SourceError(
                f"the component `{origin}` is missing from `{self.name}`: expected `{origin}/{name}`",
                hint="a source is the whole directory that diffusers' `save_pretrained` writes",
            )
        return read_json(self.folder, where, infinities=infinities)

    def config(self, origin: str) -> dict[str, Any]:
        """The config that a component's module is made from.

        Raises:
            SourceError: There is none, it is not JSON, or it has a number that no model has.
        """
        values = self.read(origin, "config.json")
        for field, value in values.items():
            _check_lengths(f"{origin}/config.json", field, value)
        return values

    def configs(self) -> Configs:
        """The configs of all components, for the model's family."""
        names = {*names_in(self.folder), *_parts(self.index)}
        places = {name: place_of(self.folder, self.index, name) for name in sorted(names)}
        parts = [name for name, place in places.items() if self.find(f"{place}/config.json") is not None]
        return Configs(self.index, {part: self.config(part) for part in parts}, self.scheduler())


def place_of(folder: Path, index: Mapping[str, Any], origin: str) -> str:
    """Where a component's files are: in its directory; or beside the index, as diffusers kept those of lone networks.

    Args:
        folder: The model's directory.
        index: Its ``model_index.json``.
        origin: The component's directory.
    """
    parts = _parts(index)
    beside = len(parts) == 1 and origin in (*parts, "scheduler") and not (folder / origin).is_dir()
    return "." if beside else origin


def _parts(index: Mapping[str, Any]) -> list[str]:
    return [name for name, entry in index.items() if isinstance(entry, list) and name != "scheduler"]


def _check_lengths(path: str, field: str, value: object) -> None:
    most = _MOST_LAYERS if "layers" in field else _LONGEST
    for number in value if isinstance(value, list) else (value,):
        if isinstance(number, int) and number > most:
            raise SourceError(f"`{shown(field)}` of `{path}` is too large: expected {most:,} at most")
    if isinstance(value, list) and len(value) > _MOST_LAYERS:
        raise SourceError(f"`{shown(field)}` of `{path}` has {len(value):,} entries: expected {_MOST_LAYERS} at most")
