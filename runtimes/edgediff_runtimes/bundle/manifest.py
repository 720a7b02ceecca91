"""The manifest of a bundle, ``edgediff.json``: its fields as types, read from JSON and written to it.

The format is specified in ``docs/bundle-format.md``. Field names here are the names in the file.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Any, final

from edgediff_runtimes.bundle.fields import Fields, is_finite
from edgediff_runtimes.bundle.file_entry import FileEntry
from edgediff_runtimes.bundle.quality import QualityReport
from edgediff_runtimes.errors import FormatVersionError, ManifestError
from edgediff_runtimes.tensors import DTYPES, TensorSpec
from edgediff_runtimes.untrusted.bounds import CHANNELS, FACTOR, SIDE, STEPS, TOKENS
from edgediff_runtimes.untrusted.documents import parse_json

MANIFEST_NAME = "edgediff.json"
FORMAT_MAJOR = 1
FORMAT_VERSION = f"{FORMAT_MAJOR}.0"
FORMATS = ("onnx", "openvino")
STRENGTHS = ("tail", "whole")
RGB_CHANNELS = 3
SCALES = "a number from 1e-6 to 1e6 or the negative of one, because latents are divided by it in float32"


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
        format: ``onnx`` or ``openvino``.
        precision: What its weights and arithmetic are, as it was asked of the export (``fp32``, ``fp16`` ...).
        files: Its files; the first is the graph, the others hold its weights.
        inputs: What it takes; empty where the manifest was derived.
        outputs: What it gives; empty where the manifest was derived.
        tolerance: The largest ``Check.error`` the export allowed, or None where it was not checked.
        checks: How far it strays from its module, measured at export.
        operators: How much of the written graph is quantised, by operator type; empty where it was not counted.
    """

    format: str
    precision: str
    files: tuple[FileEntry, ...]
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    tolerance: float | None = None
    checks: tuple[Check, ...] = ()
    operators: dict[str, OperatorCount] = field(default_factory=dict)

    @classmethod
    def read(cls, fields: Fields) -> Component:
        """Read one component; it has at least one file and a known format."""
        format_ = fields.string("format")
        if format_ not in FORMATS:
            raise fields.fail("format", f"one of {', '.join(FORMATS)}")
        files = tuple(FileEntry.read(item) for item in fields.objects("files"))
        if not files:
            raise fields.fail("files", "at least one file")
        operators = Fields({}) if fields.values.get("operators") is None else fields.fields("operators")
        return cls(
            format=format_,
            precision=fields.string("precision"),
            files=files,
            inputs=tuple(_read_tensor(item) for item in fields.objects("inputs")),
            outputs=tuple(_read_tensor(item) for item in fields.objects("outputs")),
            tolerance=fields.optional_number("tolerance"),
            checks=tuple(Check.read(item) for item in fields.objects("checks")),
            operators={name: OperatorCount.read(operators.fields(name)) for name in operators.values},
        )


@final
@dataclass(frozen=True, slots=True)
class Latents:
    """The space the sampler works in.

    Attributes:
        channels: Channels of a latent picture.
        factor: Pixels along one side of a latent pixel.
        scaling: Latents are (encoded - shift) * scaling.
        shift: See ``scaling``.
        preview: ``channels + 1`` rows of RGB: a latent pixel times the first rows plus the last one is about its colour
            in [0, 1]. Fitted at export; None where it was not.
    """

    channels: int
    factor: int
    scaling: float
    shift: float = 0.0
    preview: tuple[tuple[float, float, float], ...] | None = None

    @classmethod
    def read(cls, fields: Fields) -> Latents:
        """Read the space; a preview map must have ``channels + 1`` rows of three numbers."""
        channels = fields.integer("channels", minimum=1, bound=CHANNELS)
        preview = None
        if fields.values.get("preview") is not None:
            rows = fields.array("preview")
            if len(rows) != channels + 1 or not all(
                isinstance(row, list) and len(row) == RGB_CHANNELS and all(map(is_finite, row)) for row in rows
            ):
                raise fields.fail("preview", f"{channels + 1} rows of three numbers")
            preview = tuple((float(r), float(g), float(b)) for r, g, b in rows)
        scaling = fields.number("scaling")
        if not scales(scaling):
            raise fields.fail("scaling", SCALES)
        return cls(
            channels, fields.integer("factor", minimum=1, bound=FACTOR), scaling, fields.number("shift"), preview
        )


@final
@dataclass(frozen=True, slots=True)
class Tokenizer:
    """A tokenizer: its directory inside the bundle, the tokens of a prompt with both marks, and its files."""

    path: str
    max_tokens: int
    files: tuple[FileEntry, ...] = ()

    @classmethod
    def read(cls, fields: Fields) -> Tokenizer:
        """Read one tokenizer."""
        files = tuple(FileEntry.read(item) for item in fields.objects("files"))
        return cls(fields.string("path"), fields.integer("max_tokens", minimum=2, bound=TOKENS), files)


@final
@dataclass(frozen=True, slots=True)
class Defaults:
    """What a run uses where the user says nothing: sampling steps, guidance scale, pixels."""

    steps: int
    guidance: float
    width: int
    height: int

    @classmethod
    def read(cls, fields: Fields) -> Defaults:
        """Read the defaults."""
        sizes = (fields.integer(name, minimum=1, bound=SIDE) for name in ("width", "height"))
        return cls(fields.integer("steps", minimum=1, bound=STEPS), fields.number("guidance"), *sizes)


@final
@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a bundle comes from.

    Attributes:
        source: Name of the model.
        source_sha256: Of its weights.
        tools: Versions by name.
        command: What made the bundle, without paths.
        date: ISO 8601, UTC.
        licence: Of the weights.
        card: The model card: what the model is, what it was trained on, under which licences, what it cannot do.
        vocabulary: The words it was trained with, one a line, lower-case, of a model that knows no others.
    """

    source: str
    source_sha256: str | None = None
    tools: dict[str, str] = field(default_factory=dict)
    command: str | None = None
    date: str | None = None
    licence: str | None = None
    card: FileEntry | None = None
    vocabulary: FileEntry | None = None

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
        source = fields.string("source")
        return cls(source=source, tools=dict(tools), card=card, vocabulary=vocabulary, **optional)


@final
@dataclass(frozen=True, slots=True)
class Manifest:
    """All that a runtime needs to know of a bundle.

    Attributes:
        family: The model family (``stable-diffusion``).
        tasks: What it can do (``text-to-image``, ``image-to-image``).
        components: Its graphs by role, which is also their directory's name.
        scheduler: The model's own scheduler config in diffusers' terms, with ``_class_name``.
        latents: The space the sampler works in.
        tokenizers: In the order of the text encoders they feed.
        defaults: What a run uses where the user says nothing.
        provenance: Where the bundle comes from.
        quality: How far what it draws is from what fp32 draws, or None where it was not measured.
        strength: What image-to-image runs of a distilled model's schedule: ``tail``, the last part of it, or
            ``whole``, all of one that was made for that strength.
        format_version: ``major.minor`` of the format.
    """

    family: str
    tasks: tuple[str, ...]
    components: dict[str, Component]
    scheduler: dict[str, Any]
    latents: Latents
    tokenizers: tuple[Tokenizer, ...]
    defaults: Defaults
    provenance: Provenance
    quality: QualityReport | None = None
    strength: str = STRENGTHS[0]
    format_version: str = FORMAT_VERSION

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
        scheduler = fields.fields("scheduler")
        scheduler.string("_class_name")
        strength = fields.optional_string("strength") or STRENGTHS[0]
        if strength not in STRENGTHS:
            raise fields.fail("strength", f"one of {', '.join(STRENGTHS)}")
        return cls(
            family=fields.string("family"),
            tasks=fields.strings("tasks"),
            components={role: Component.read(components.fields(role)) for role in components.values},
            scheduler=dict(scheduler.values),
            latents=Latents.read(fields.fields("latents")),
            tokenizers=tuple(Tokenizer.read(item) for item in fields.objects("tokenizers")),
            defaults=Defaults.read(fields.fields("defaults")),
            provenance=Provenance.read(fields.fields("provenance")),
            quality=None if values.get("quality") is None else QualityReport.read(fields.fields("quality")),
            strength=strength,
            format_version=version,
        )

    def to_json(self) -> str:
        """The manifest as text: two-space indentation, a newline at the end."""
        values = dataclasses.asdict(self)
        if self.provenance.vocabulary is None:  # left out, so that bundles of before keep their fingerprints
            del values["provenance"]["vocabulary"]
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def scales(scaling: float) -> bool:
    """Whether latents can be scaled by a number and back."""
    return 1e-6 <= abs(scaling) <= 1e6  # noqa: PLR2004 - said in SCALES


def _read_tensor(fields: Fields) -> TensorSpec:
    dtype = fields.string("dtype")
    if dtype not in DTYPES:
        raise fields.fail("dtype", f"one of {', '.join(DTYPES)}")
    shape = fields.array("shape")
    if not all(isinstance(axis, str) or (type(axis) is int and axis >= 0) for axis in shape):
        raise fields.fail("shape", "an array of lengths and axis names")
    return TensorSpec(fields.string("name"), dtype, tuple(shape))
