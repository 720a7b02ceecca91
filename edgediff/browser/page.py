"""The built page: its files, what it draws, and the library that it computes with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, final

from edgediff_runtimes.bundle import Manifest
from edgediff_runtimes.errors import BundleError, quoted, shown
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.plain import readable_bytes
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.recipe import GraphUse
from edgediff_runtimes.untrusted.documents import read_json

PAGE = Path(__file__).parent / "page"
Limits: TypeAlias = "Mapping[str, list[Any]]"
FACTS = "page.json"  # written by the build, for this module alone


@final
@dataclass(frozen=True, slots=True)
class Library:
    """The npm package that computes graphs in a browser.

    Attributes:
        name: Of the package.
        version: The one that the page was built and tested with.
        integrity: ``sha512-`` and the digest of its archive, as npm writes it.
    """

    name: str
    version: str
    integrity: str


@final
@dataclass(frozen=True, slots=True)
class Page:
    """What the page draws.

    Attributes:
        parts: Kinds of parts that it knows; of each, the fields that may have a few values only, and these.
        guidance: Likewise, the fields of a stage's guidance.
        schedule: Likewise, those of its schedule.
        schedulers: Classes of schedulers whose configs it reads, likewise.
        tokenizers: Kinds of tokenizers.
        formats: Of graphs.
        largest_component_bytes: What a component's files may have together.
        library: What it computes with.
        sources: A digest of what it was built from.
    """

    parts: Mapping[str, Limits]
    guidance: Limits
    schedule: Limits
    schedulers: Mapping[str, Limits]
    tokenizers: frozenset[str]
    formats: frozenset[str]
    largest_component_bytes: int
    library: Library
    sources: str

    @classmethod
    def built(cls) -> Page:
        """The one that came with the package."""
        fields = Fields(read_json(PAGE / FACTS, name=FACTS))
        library = fields.fields("library")
        return cls(
            parts=fields.fields("parts").values,
            guidance=fields.fields("guidance").values,
            schedule=fields.fields("schedule").values,
            schedulers=fields.fields("schedulers").values,
            tokenizers=frozenset(fields.strings("tokenizers")),
            formats=frozenset(fields.strings("formats")),
            largest_component_bytes=fields.integer("largest_component_bytes", minimum=1),
            library=Library(*(library.string(name) for name in ("name", "version", "integrity"))),
            sources=fields.string("sources"),
        )


def files() -> tuple[str, ...]:
    """Names of the page's own files, all beside each other."""
    return tuple(sorted(path.name for path in PAGE.iterdir() if path.is_file() and path.name != FACTS))


def check_drawable(manifest: Manifest, page: Page) -> tuple[str, ...]:
    """Refuse a bundle that the page does not draw; it says the same when it opens one.

    Returns:
        The tasks that the page leaves out, because it does not know a part of theirs.

    Raises:
        BundleError: A part, the scheduler, a tokenizer or a graph is none that it knows, or one is too large.
    """
    recipe = manifest.recipe
    if manifest.sizes:
        hint = "export the model again without `target`"
        raise _undrawable("the bundle's graphs are of fixed shapes", "graphs that take any size", hint)
    if len(recipe.stages) > 1:
        names = ", ".join(stage.name for stage in recipe.stages)
        raise _undrawable(f"the bundle has {len(recipe.stages)} stages ({names})", "one")
    [stage] = recipe.stages
    written = stage.written()
    phases = {**written["tasks"], **{name: written[name] for name in ("given", "network", "result")}}
    lost = tuple(task for task in recipe.tasks[1:] if any(part["part"] not in page.parts for part in phases[task]))
    for phase, parts in phases.items():
        for part in parts if phase not in lost else ():
            kind = part["part"]
            if kind not in page.parts:
                raise _undrawable(f"the recipe has the part `{kind}`", f"one of {', '.join(sorted(page.parts))}")
            _check_limits(f"the recipe's `{kind}`", part, page.parts[kind])
    _check_limits("the recipe's guidance", written["guidance"] or {}, page.guidance)
    _check_limits("the recipe's schedule", written["schedule"], page.schedule)
    scheduler = str(manifest.scheduler["_class_name"])
    if scheduler not in page.schedulers:
        expected = f"one of {', '.join(sorted(page.schedulers))}"
        raise _undrawable(f"the bundle's scheduler is `{shown(scheduler)}`", expected)
    _check_limits(f"the bundle's {scheduler}", manifest.scheduler, page.schedulers[scheduler])
    for tokenizer in manifest.tokenizers:
        if tokenizer.kind not in page.tokenizers:
            expected = " or ".join(f"`{kind}`" for kind in sorted(page.tokenizers))
            raise _undrawable(f"the bundle's tokenizer is of the kind `{tokenizer.kind}`", expected)
    for role in needed(recipe, lost):
        _check_component(manifest, role, page)
    return lost


def needed(recipe: Recipe, lost: tuple[str, ...]) -> tuple[str, ...]:
    """The components that the page computes."""
    left_out = {*lost, "tiny"}
    uses: list[GraphUse] = [use for use in recipe.graphs() if use.phase not in left_out]
    return tuple(dict.fromkeys(use.role for use in uses))


def _check_limits(what: str, values: Mapping[str, Any], limits: Limits) -> None:
    """Refuse a field that has another value than those that the page draws with; what is left out is one of them."""
    for name, allowed in limits.items():
        if name in values and not any(_same(values[name], one) for one in allowed):
            raise _undrawable(
                f"{what} has `{name}` {quoted(values[name])}", " or ".join(quoted(one) for one in allowed)
            )


def _same(value: object, other: object) -> bool:
    """Whether two values are one in JSON, where a tuple is an array and 0 is not false."""
    return json.dumps(value, sort_keys=True) == json.dumps(other, sort_keys=True)


def _check_component(manifest: Manifest, role: str, page: Page) -> None:
    component = manifest.components[role]
    if component.format not in page.formats:
        raise BundleError(
            f"`{role}` is in the format `{component.format}`: expected `onnx`, which is all that a browser computes",
            hint='export the model again with `format="onnx"`',
        )
    size = sum(entry.bytes for entry in component.files)
    if size > page.largest_component_bytes:
        most = readable_bytes(page.largest_component_bytes)
        raise BundleError(
            f"`{role}` has {readable_bytes(size)}: expected at most {most}, which fit into a browser's WebAssembly",
            hint='export the model again with `precision="w8"` or `precision="w4"`',
        )


def _undrawable(problem: str, expected: str, hint: str | None = None) -> BundleError:
    return BundleError(f"{problem}: expected {expected}, which is all that the page draws", hint=hint)
