"""The manifest of a bundle, ``edgediff.json``: its fields as types, read from JSON and written to it.

The format is specified in ``docs/bundle-format.md``. Field names here are the names in the file.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any, final

from edgediff_runtimes.bundle.file_entry import FileEntry
from edgediff_runtimes.bundle.fixed_graph import FixedGraph
from edgediff_runtimes.bundle.quality import QualityReport
from edgediff_runtimes.bundle.reuse import ProvedReuse
from edgediff_runtimes.bundle.tokenizer_kinds import TOKENIZER_KINDS
from edgediff_runtimes.errors import FormatVersionError, ManifestError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.recipe import Recipe
from edgediff_runtimes.tensors import DTYPES, TensorSpec
from edgediff_runtimes.untrusted.bounds import SIDE, TOKENS
from edgediff_runtimes.untrusted.documents import parse_json

MANIFEST_NAME = "edgediff.json"
FORMAT_MAJOR = 1
FORMAT_VERSION = f"{FORMAT_MAJOR}.0"
FORMATS = ("onnx", "openvino", "ncnn")


@final
@dataclass(frozen=True, slots=True)
class Check:
    """A comparison of the exported graph with the module it was traced from.

    Attributes:
        shapes: The shapes of the inputs, by name.
        error: max |graph - module| / max |module| over all outputs.
    """

    shapes: dict[str, tuple[int, ...]]
    error: float

    @classmethod
    def read(cls, fields: Fields) -> Check:
        """Read one comparison."""
        shapes = fields.mapping("shapes")
        for name, shape in shapes.items():
            if not isinstance(shape, list) or not all(type(axis) is int for axis in shape):
                raise ManifestError(f"{fields.path('shapes')}.{name}", got=shape, expected="an array of whole numbers")
        return cls({name: tuple(shape) for name, shape in shapes.items()}, fields.number("error"))


@final
@dataclass(frozen=True, slots=True)
class OperatorCount:
    """Operators of one type in a graph: all of them, those whose weights are quantised, those whose activations are."""

    total: int
    quantised_weights: int
    quantised_activations: int

    @classmethod
    def read(cls, fields: Fields) -> OperatorCount:
        """Read one count."""
        return cls(*(fields.integer(name) for name in ("total", "quantised_weights", "quantised_activations")))


@final
@dataclass(frozen=True, slots=True)
class Component:
    """One graph of the model.

    Attributes:
        format: ``onnx``, ``openvino`` or ``ncnn``.
        precision: What its weights and arithmetic are, as it was asked of the export (``fp32``, ``fp16`` ...).
        files: Its files; the first is the graph, the others hold its weights.
        inputs: What it takes; empty where the manifest was derived.
        outputs: What it gives; empty where the manifest was derived.
        tolerance: The largest ``Check.error`` the export allowed, or None where it was not checked.
        checks: How far it strays from its module, measured at export.
        operators: How much of the written graph is quantised, by operator type; empty where it was not counted.
        weights: The operation that reads each parameter that the graph's own names do not tell, by parameter.
        fixed: Its graphs where each is for inputs of one length along every axis; empty: one graph for any.
    """

    format: str
    precision: str
    files: tuple[FileEntry, ...]
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    tolerance: float | None = None
    checks: tuple[Check, ...] = ()
    operators: dict[str, OperatorCount] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    fixed: tuple[FixedGraph, ...] = ()

    @classmethod
    def read(cls, fields: Fields) -> Component:
        """Read one component; it has at least one file and a known format."""
        format_ = fields.string("format")
        if format_ not in FORMATS:
            raise fields.fail("format", f"one of {', '.join(FORMATS)}")
        files = tuple(FileEntry.read(item) for item in fields.objects("files"))
        if not files:
            raise fields.fail("files", "at least one file")
        checks = tuple(Check.read(item) for item in fields.objects("checks"))
        operators = Fields({}) if fields.values.get("operators") is None else fields.fields("operators")
        weights = {} if fields.values.get("weights") is None else fields.mapping("weights")
        if not all(isinstance(name, str) for name in weights.values()):
            raise fields.fail("weights", "an object of names of operations")
        inputs = tuple(_read_tensor(item) for item in fields.objects("inputs"))
        return cls(
            format=format_,
            precision=fields.string("precision"),
            files=files,
            inputs=inputs,
            outputs=tuple(_read_tensor(item) for item in fields.objects("outputs")),
            tolerance=fields.optional_number("tolerance"),
            checks=checks,
            operators={name: OperatorCount.read(operators.fields(name)) for name in operators.values},
            weights=dict(weights),
            fixed=_read_fixed(fields, files, inputs),
        )


@final
@dataclass(frozen=True, slots=True)
class Tokenizer:
    """A tokenizer.

    Attributes:
        path: Its directory inside the bundle.
        max_tokens: Tokens of a text, marks included.
        files: Its files.
        kind: How it is read, one of ``tokenizer_kinds.TOKENIZER_KINDS``.
    """

    path: str
    max_tokens: int
    files: tuple[FileEntry, ...] = ()
    kind: str = "clip"

    @classmethod
    def read(cls, fields: Fields) -> Tokenizer:
        """Read one tokenizer."""
        files = tuple(FileEntry.read(item) for item in fields.objects("files"))
        kind = fields.optional_string("kind") or "clip"
        if kind not in TOKENIZER_KINDS:
            raise fields.fail("kind", f"one of {', '.join(TOKENIZER_KINDS)}")
        return cls(fields.string("path"), fields.integer("max_tokens", minimum=2, bound=TOKENS), files, kind)


@final
@dataclass(frozen=True, slots=True)
class Origin:
    """What a component comes from that the source did not have, or had otherwise: name and hash of its weights."""

    source: str
    sha256: str | None = None

    @classmethod
    def read(cls, fields: Fields) -> Origin:
        """Read an origin."""
        return cls(fields.string("source"), fields.optional_string("sha256"))


@final
@dataclass(frozen=True, slots=True)
class Fusion:
    """A LoRA that was fused into the weights: its file's name and hash, and the scale."""

    name: str
    scale: float
    sha256: str | None = None

    @classmethod
    def read(cls, fields: Fields) -> Fusion:
        """Read a fusion."""
        return cls(fields.string("name"), fields.number("scale"), fields.optional_string("sha256"))


@final
@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a bundle comes from.

    Attributes:
        source: Name of the model.
        source_sha256: Of its weights.
        components: Components of the source that came from elsewhere, by their names there.
        tools: Versions by name.
        command: What made the bundle, without paths.
        date: ISO 8601, UTC.
        licence: Of the weights.
        card: The model card: what the model is, what it was trained on, under which licences, what it cannot do.
        vocabulary: The words it was trained with, one a line, lower-case, of a model that knows no others.
        loras: LoRAs that are fused into its weights.
    """

    source: str
    source_sha256: str | None = None
    components: dict[str, Origin] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    command: str | None = None
    date: str | None = None
    licence: str | None = None
    card: FileEntry | None = None
    vocabulary: FileEntry | None = None
    loras: tuple[Fusion, ...] = ()

    @classmethod
    def read(cls, fields: Fields) -> Provenance:
        """Read the provenance; each tool has a version string."""
        tools = fields.mapping("tools")
        if not all(isinstance(version, str) for version in tools.values()):
            raise fields.fail("tools", "an object of version strings")
        optional = {name: fields.optional_string(name) for name in ("source_sha256", "command", "date", "licence")}
        card, vocabulary = (
            None if fields.values.get(name) is None else FileEntry.read(fields.fields(name))
            for name in ("card", "vocabulary")
        )
        parts = fields.fields("components") if fields.values.get("components") is not None else Fields({})
        components = {name: Origin.read(parts.fields(name)) for name in parts.values}
        loras = () if fields.values.get("loras") is None else map(Fusion.read, fields.objects("loras"))
        return cls(
            source=fields.string("source"),
            components=components,
            tools=dict(tools),
            card=card,
            vocabulary=vocabulary,
            loras=tuple(loras),
            **optional,
        )


@final
@dataclass(frozen=True, slots=True)
class Manifest:
    """All that a runtime needs to know of a bundle.

    Attributes:
        family: The model family (``stable-diffusion``).
        recipe: What is done with its graphs; the file calls it ``stages``.
        components: Its graphs by role, which is also their directory's name.
        scheduler: The model's own scheduler config in diffusers' terms, with ``_class_name``.
        tokenizers: In the order of the text encoders they feed.
        defaults: What a run uses where the user says nothing.
        provenance: Where the bundle comes from.
        quality: How far what it draws is from what fp32 draws, or None where it was not measured.
        format_version: ``major.minor`` of the format.
        reuse: Schedules of reuse that were measured, see ``edgediff tune``.
        target: What kind of processor it was exported for; None: any.
        sizes: Width and height of the pictures that it draws, in pixels, the first where nothing else is asked for;
            empty: any that the model draws.
    """

    family: str
    recipe: Recipe
    components: dict[str, Component]
    scheduler: dict[str, Any]
    tokenizers: tuple[Tokenizer, ...]
    defaults: Defaults
    provenance: Provenance
    quality: QualityReport | None = None
    format_version: str = FORMAT_VERSION
    reuse: tuple[ProvedReuse, ...] = ()
    target: str | None = None
    sizes: tuple[tuple[int, int], ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read a manifest.

        Raises:
            ManifestError: Not JSON, or a field is missing or has the wrong type or value.
            FormatVersionError: Of a major version that this edgediff does not read.
        """
        try:
            values = parse_json(text, printable=True)
        except ValueError as error:
            raise ManifestError(MANIFEST_NAME, got=text[:40], expected=f"JSON ({error})") from error
        fields = Fields(values)
        version = fields.string("format_version")
        if not re.fullmatch("[0-9]{1,9}[.][0-9]{1,9}", version):
            raise fields.fail("format_version", "`major.minor`")
        if int(version.split(".")[0]) != FORMAT_MAJOR:
            raise FormatVersionError(got=version, supported=FORMAT_MAJOR)
        components = fields.fields("components")
        recipe = Recipe.read(fields)
        if fields.strings("tasks") != recipe.tasks:
            raise fields.fail("tasks", f"{', '.join(recipe.tasks)}, which are those of its stages")
        scheduler = fields.fields("scheduler")
        scheduler.string("_class_name")
        return cls(
            family=fields.string("family"),
            recipe=recipe,
            components={role: Component.read(components.fields(role)) for role in components.values},
            scheduler=dict(scheduler.values),
            tokenizers=tuple(Tokenizer.read(item) for item in fields.objects("tokenizers")),
            defaults=Defaults.read(fields.fields("defaults")),
            provenance=Provenance.read(fields.fields("provenance")),
            quality=None if values.get("quality") is None else QualityReport.read(fields.fields("quality")),
            format_version=version,
            reuse=()
            if values.get("reuse") is None
            else tuple(ProvedReuse.read(item) for item in fields.objects("reuse")),
            target=fields.optional_string("target"),
            sizes=_read_sizes(fields),
        )

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it can do (``text-to-image``, ``image-to-image`` ...)."""
        return self.recipe.tasks

    def to_json(self) -> str:
        """The manifest as text: two-space indentation, a newline at the end."""
        values = dataclasses.asdict(replace(self, recipe=Recipe(())))
        if self.provenance.vocabulary is None:  # left out, so that bundles of before keep their fingerprints
            del values["provenance"]["vocabulary"]
        for name in ("components", "loras"):  # likewise
            if not getattr(self.provenance, name):
                del values["provenance"][name]
        for name in ("reuse", "target", "sizes"):  # likewise
            if not values[name]:
                del values[name]
        _drop_unused(values["components"])  # likewise
        del values["recipe"]
        beside = {"tasks": self.tasks, "parts": self.recipe.parts, "stages": self.recipe.written()}
        values = {"format_version": self.format_version, "family": self.family, **beside, **values}
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _drop_unused(components: dict[str, Any]) -> None:
    for component in components.values():
        for graph in component["fixed"]:
            if graph["package"] is None:
                del graph["package"]
        for name in ("weights", "fixed"):
            if not component[name]:
                del component[name]


def _read_tensor(fields: Fields) -> TensorSpec:
    dtype = fields.string("dtype")
    if dtype not in DTYPES:
        raise fields.fail("dtype", f"one of {', '.join(DTYPES)}")
    shape = fields.array("shape")
    if not all(isinstance(axis, str) or (type(axis) is int and axis >= 0) for axis in shape):
        raise fields.fail("shape", "an array of lengths and axis names")
    return TensorSpec(fields.string("name"), dtype, tuple(shape))


def _read_fixed(fields: Fields, files: tuple[FileEntry, ...], inputs: tuple[TensorSpec, ...]) -> tuple[FixedGraph, ...]:
    if fields.values.get("fixed") is None:
        return ()
    named = {axis for spec in inputs for axis in spec.shape if isinstance(axis, str)}
    graphs = tuple(FixedGraph.read(item) for item in fields.objects("fixed"))
    for graph in graphs:
        if graph.file not in {entry.path for entry in files}:
            raise fields.fail("fixed", "graphs that are among its files")
        if graph.axes.keys() != named:
            raise fields.fail("fixed", f"the lengths of {', '.join(sorted(named)) or 'no axis'}")
    return graphs


def _read_sizes(fields: Fields) -> tuple[tuple[int, int], ...]:
    if fields.values.get("sizes") is None:
        return ()
    match fields.array("sizes"):
        case [*pairs] if all(
            isinstance(pair, list)
            and len(pair) == 2  # noqa: PLR2004 - width and height
            and all(type(side) is int and 1 <= side <= SIDE.most for side in pair)
            for pair in pairs
        ):
            return tuple((width, height) for width, height in pairs)
        case _:
            raise fields.fail("sizes", "an array of widths and heights")
