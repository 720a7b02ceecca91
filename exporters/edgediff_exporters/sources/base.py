"""A source: a trained model in diffusers' layout, wherever its weights come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from edgediff_exporters.sources.files import find_file, names_in, read_json
from edgediff_exporters.weights import Weights
from edgediff_runtimes.errors import SourceError, shown
from edgediff_runtimes.families import Configs

MODEL_INDEX = "model_index.json"
_SCHEDULER, _SCHEDULER_CONFIG = "scheduler", "scheduler_config.json"
PROCESSOR = "processor"
# Files of one, and the field that its numbers for pictures are in; empty: they are the file's own.
_PROCESSOR_CONFIGS = (("processor_config.json", "image_processor"), ("preprocessor_config.json", ""))

# Lengths in a config become tensors and layers: no model has longer ones, and a larger number would take the memory,
# or the time, before the weights show that it is wrong.
_LONGEST = 2**24
_MOST_LAYERS = 256


@final
@dataclass(frozen=True, slots=True)
class Part:
    """A component that comes from elsewhere.

    Attributes:
        name: What it comes from is called. Never a path.
        root: A directory.
        inner: The directory in it with the component's config.
        weights: Maps its weights.
        files: The files that hold them.
    """

    name: str
    root: Path
    inner: str
    weights: Callable[[], Weights]
    files: tuple[Path, ...]


@final
@dataclass(frozen=True, slots=True)
class Source:
    """A model that can be exported.

    Attributes:
        name: What it is called: a directory's or file's name, or a hub id. Never a path.
        folder: The directory with ``model_index.json``, the configs and the tokenizer.
        index: The content of ``model_index.json``.
        own_weights: Maps the weights of one of its own components, by its directory's name.
        files: The files that hold weights, for the source's hash.
        unread: Names of tensors in these files that belong to no component.
        replaced: Components that come from elsewhere, by their directory's name.
        write_vocabulary: Writes ``vocab.json`` and ``merges.txt`` of its own tokenizers, which lack them.
        shared: Where the files of components are that have no directory of their own in ``folder``: a directory, and
            theirs in that.
        missing: Components that it needs and neither it nor what describes it has.
        adapted: What is done to the weights of a component, by its directory's name; None: nothing.
        fields: Fields of configs that replace those of the files, by a component's directory.
    """

    name: str
    folder: Path
    index: dict[str, Any]
    own_weights: Callable[[str], Weights]
    files: tuple[Path, ...]
    unread: tuple[str, ...] = ()
    write_vocabulary: Callable[[Path], None] | None = None
    replaced: Mapping[str, Part] = field(default_factory=dict)
    shared: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    adapted: Callable[[str, Weights], Weights] | None = None
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def place(self, origin: str) -> tuple[Path, str]:
        """Where a component is: a directory, and its own directory in that."""
        if (part := self.replaced.get(origin)) is not None:
            return part.root, part.inner
        return self.shared.get(origin) or (self.folder, place_of(self.folder, self.index, origin))

    def weights(self, origin: str) -> Weights:
        """The weights of one component, mapped.

        Raises:
            SourceError: There are none, or they are quantised.
        """
        if self.find(f"{origin}/config.json") is not None:
            _refuse_quantised(origin, self.read(origin, "config.json").get("quantization_config"))
        part = self.replaced.get(origin)
        found = self.own_weights(origin) if part is None else part.weights()
        return found if self.adapted is None else self.adapted(origin, found)

    def scheduler(self) -> dict[str, Any]:
        """The scheduler's config; an infinity is the text ``inf`` or ``-inf``."""
        return self.read(_SCHEDULER, _SCHEDULER_CONFIG, infinities=True)

    def find(self, relative: str) -> Path | None:
        """A file by its path in the directory; None where there is no regular file.

        Raises:
            SourceError: A link leads out of the directory.
        """
        origin, inside, name = relative.partition("/")
        if not inside:
            return find_file(self.folder, relative)
        root, inner = self.place(origin)
        return find_file(root, f"{inner}/{name}")

    def read(self, origin: str, name: str, *, infinities: bool = False) -> dict[str, Any]:
        """A JSON object that describes a component.

        Args:
            origin: The component's directory.
            name: The file's name in it.
            infinities: As of ``edgediff_runtimes.untrusted.documents.parse_json``.

        Raises:
            SourceError: There is none, or it is not JSON.
        """
        if self.find(f"{origin}/{name}") is None:
            raise SourceError(
                f"the component `{origin}` is missing from `{self.name}`: expected `{origin}/{name}`",
                hint="a source is the whole directory that diffusers' `save_pretrained` writes",
            )
        root, inner = self.place(origin)
        return read_json(root, f"{inner}/{name}", infinities=infinities)

    def config(self, origin: str) -> dict[str, Any]:
        """The config that a component's module is made from.

        Raises:
            SourceError: There is none, it is not JSON, or it has a number that no model has.
        """
        values = {**self.read(origin, "config.json"), **self.fields.get(origin, {})}
        for name, value in values.items():
            _check_lengths(f"{origin}/config.json", name, value)
        return values

    def configs(self) -> Configs:
        """The configs of all components, for the model's family."""
        folders = [name for name in names_in(self.folder) if (self.folder / name).is_dir()]
        names = sorted({*folders, *_parts(self.index), *self.shared, *self.replaced})
        parts = {name: self.config(name) for name in names if self.find(f"{name}/config.json") is not None}
        for name in names:  # schedulers beside the model's own
            if name not in {_SCHEDULER, *parts} and self.find(f"{name}/{_SCHEDULER_CONFIG}") is not None:
                parts[name] = self.read(name, _SCHEDULER_CONFIG, infinities=True)
        if (processor := self._processor()) is not None:
            parts[PROCESSOR] = processor
        return Configs(self.index, parts, self.scheduler())

    def _processor(self) -> dict[str, Any] | None:
        """How pictures are made ready for a text encoder that looks at them; None where none does."""
        for name, field_ in _PROCESSOR_CONFIGS:
            if self.find(f"{PROCESSOR}/{name}") is not None:
                values = self.read(PROCESSOR, name)
                own = values.get(field_) if field_ else values
                if isinstance(own, dict):
                    return own
        return None


def tokenizer_of(role: str) -> str | None:
    """The tokenizer of a text encoder, as models name the two: with the same number; None for any other component."""
    before, encoder, number = role.partition("text_encoder")
    return f"{before}tokenizer{number}" if encoder else None


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


def _refuse_quantised(origin: str, stated: object) -> None:
    """Refuse weights that a library quantised, which transformers and diffusers write into a config."""
    if stated is None:
        return
    method = stated.get("quant_method") if isinstance(stated, dict) else None
    raise SourceError(
        f"the weights of `{origin}` are quantised ({shown(str(method))}): expected weights in floats",
        hint="get the edition of the model in half or single precision, and quantise with `precision`; of T5 a "
        "`.safetensors` file in float8 is read too",
    )


def _check_lengths(path: str, field: str, value: object) -> None:
    most = _MOST_LAYERS if "layers" in field else _LONGEST
    for number in value if isinstance(value, list) else (value,):
        if isinstance(number, int) and number > most:
            raise SourceError(f"`{shown(field)}` of `{path}` is too large: expected {most:,} at most")
    if isinstance(value, list) and len(value) > _MOST_LAYERS:
        raise SourceError(f"`{shown(field)}` of `{path}` has {len(value):,} entries: expected {_MOST_LAYERS} at most")
