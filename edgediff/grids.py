"""``edgediff.grid``: one picture for each value of an option or two, side by side on a labelled sheet."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeAlias, cast, final

from PIL import Image

from edgediff.inspection.labelled_sheet import labelled_sheet
from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.doubts import doubts
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.picture_files import check_place, save_image
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.results import Result, Step
from edgediff_runtimes.settings import Options, Settings
from edgediff_runtimes.untrusted.bounds import IMAGES

if TYPE_CHECKING:
    from typing_extensions import Unpack  # typing's own came with Python 3.11

# Options by name, or several that are varied together, each with its values from left to right or from top to bottom.
Over: TypeAlias = Mapping[str | tuple[str, ...], Sequence[Any]]
PLACE = "{}"  # of the words that are varied, in a prompt
_MOST_AXES = 2
_OF_ONE_CELL = ("settings", "computed", "reuse")  # of a picture's metadata
_SEEDS = ("seed", "variation_seed")  # options that are drawn at random where nobody gives them


@final
@dataclass(frozen=True, slots=True)
class GridStep:
    """One sampling step of one picture of a grid.

    Attributes:
        cell: Which picture, from 0, row by row.
        cells: How many there are.
        label: What it differs in.
        done: Steps that are done, of all pictures.
        total: Steps of all pictures.
        step: The step.
    """

    cell: int
    cells: int
    label: str
    done: int
    total: int
    step: Step


@final
@dataclass(frozen=True, slots=True)
class Grid:
    """Pictures in rows and columns.

    Attributes:
        title: What all of them share: prompt, bundle and seed, unless they differ in it.
        columns: What each column differs in, such as ``steps=4``.
        rows: What each row differs in; one empty text where one option is varied.
        results: Row by row, each with one picture.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    results: tuple[tuple[Result, ...], ...]

    @property
    def image(self) -> Image.Image:
        """The sheet; small pictures are enlarged by a whole factor."""
        pictures = [[result.images[0] for result in row] for row in self.results]
        return labelled_sheet(pictures, columns=self.columns, rows=self.rows, title=self.title)

    def metadata(self) -> dict[str, Any]:
        """What goes into the sheet's file: labels, the settings that draw each picture alone, and with what."""
        first = self.results[0][0].metadata(0)
        cells = [[result.metadata(0)["settings"] for result in row] for row in self.results]
        shared = {name: value for name, value in first.items() if name not in _OF_ONE_CELL}
        return {"grid": {"columns": [*self.columns], "rows": [*self.rows], "cells": cells}, **shared}

    def save(self, path: str | Path) -> None:
        """Write the sheet, over a file that is there; PNG, JPEG and WebP carry the settings of every picture.

        Raises:
            ImageError: The suffix is unknown or the place cannot be written.
        """
        check_place(path)
        save_image(self.image, path, metadata=self.metadata())


def grid(
    pipeline: Pipeline,
    prompt: str | None = None,
    *,
    over: Over,
    cancel: CancelToken | None = None,
    on_step: Callable[[GridStep], None] = lambda _: None,
    **options: Unpack[Options],
) -> Grid:
    """Draw a picture for each value of an option, or of two: the first from left to right, the second downwards.

    All pictures have the same seed, unless it is what is varied. Every one is checked before the first is drawn.

    Args:
        pipeline: Draws them; it stays open.
        prompt: What to draw; where ``prompt`` is varied, a text whose ``{}`` stands for the words, or None.
        over: Values by option, such as ``{"steps": [4, 8], "sampler": ["euler", "ddim"]}``; options that are varied
            together have one key, ``{("width", "height"): [(64, 64), (96, 96)]}``.
        cancel: Ends the work, also inside a step.
        on_step: Called after every step; an exception it raises ends the work.
        **options: Of all pictures, see ``Options``.

    Returns:
        The pictures, and the sheet.

    Raises:
        SettingError: An option is unknown, is given twice, or cannot be applied; the sentence is about the first cell
            that cannot be drawn.
        EdgediffError: As for a call of the pipeline.
        Cancelled: ``cancel`` was called.

    Warns:
        UserWarning: What can be drawn and will most likely disappoint.
    """
    cancel = CancelToken() if cancel is None else cancel
    axes = _axes(over, options)
    across, down = axes[0], axes[1] if len(axes) > 1 else _NOTHING
    calls = list(_calls(prompt, options, across, down))
    checked, total = _checked(pipeline, calls, cancel)
    fixed = {name: checked.option(name) for name in _SEEDS if name not in (*across.names, *down.names)}
    calls = [call.with_options(fixed) for call in calls]
    results = list(_drawn(pipeline, calls, total, cancel, on_step))
    width = len(across.values)
    return Grid(
        title=_title(prompt, results[0], (*across.names, *down.names)),
        columns=across.labels,
        rows=down.labels,
        results=tuple(tuple(results[start : start + width]) for start in range(0, len(results), width)),
    )


@final
@dataclass(frozen=True, slots=True)
class _Axis:
    """What is varied along one side: options, and for each place a value of each of them."""

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """``steps=4``, ``size=64x64``."""
        name = "size" if self.names == ("width", "height") else " ".join(self.names)
        return tuple(f"{name}={'x'.join(map(_text, values))}" if name else "" for values in self.values)


_NOTHING = _Axis((), ((),))  # along the side of one row


@final
@dataclass(frozen=True, slots=True)
class _Call:
    """One picture to draw."""

    label: str
    prompt: str | None
    options: Options

    def with_options(self, fixed: Mapping[str, Any]) -> _Call:
        return _Call(self.label, self.prompt, cast("Options", {**self.options, **fixed}))


def _are_values(values: object) -> bool:
    return isinstance(values, Iterable) and not isinstance(values, str | bytes)


def _axes(over: Over, options: Options) -> list[_Axis]:
    """What is varied, checked against itself and against what all pictures have."""
    if not isinstance(over, Mapping) or any(not _are_values(values) for values in over.values()):
        raise SettingError("over", got=over, expected="lists of values by option, such as {'steps': [2, 4, 8]}")
    if not 1 <= len(over) <= _MOST_AXES:
        raise SettingError("over", got=len(over), expected="one option to vary, or two")
    axes = []
    varied: set[str] = set()
    for key, values in over.items():
        names = (key,) if isinstance(key, str) else key
        rows = [(value,) if isinstance(key, str) else tuple(value) if _are_values(value) else () for value in values]
        if not rows or any(len(row) != len(names) for row in rows):
            raise SettingError("over", got=" ".join(names), expected="at least one value for each of its options")
        for name in names:
            given = cast("Mapping[str, Any]", options).get(name)
            # Fields of a sampler are joined with those of all pictures.
            if name in varied or (given is not None and not isinstance(given, Mapping)):
                raise SettingError(name, got=given, expected="nothing beside the values that are varied")
        varied.update(names)
        axes.append(_Axis(names, tuple(rows)))
    count = len(axes[0].values) * (len(axes[1].values) if len(axes) > 1 else 1)
    if count > IMAGES.most:
        raise SettingError("over", got=f"{count:,} pictures", expected=IMAGES.expected)
    return axes


def _calls(prompt: str | None, options: Options, across: _Axis, down: _Axis) -> Iterator[_Call]:
    """Every picture, row by row."""
    names = (*across.names, *down.names)
    for lower, row in zip(down.labels, down.values, strict=True):
        for upper, column in zip(across.labels, across.values, strict=True):
            changed = dict(zip(names, (*column, *row), strict=True))
            words = changed.pop("prompt", None)
            text = prompt if "prompt" not in names else _worded(prompt, words)
            for name, value in changed.items():
                shared = cast("Mapping[str, Any]", options).get(name)
                if isinstance(shared, Mapping) and isinstance(value, Mapping):
                    changed[name] = {**shared, **value}
            yield _Call(", ".join(filter(None, (upper, lower))), text, cast("Options", {**options, **changed}))


def _worded(prompt: str | None, words: object) -> str:
    """A prompt with the words of one cell."""
    if not isinstance(words, str):
        raise SettingError("prompt", got=words, expected="a text")
    if prompt is None:
        return words
    if PLACE not in prompt:
        expected = "`{}` in it where the words stand that are varied, or no other prompt than those"
        raise SettingError("prompt", got=prompt, expected=expected)
    return prompt.replace(PLACE, words)


def _checked(pipeline: Pipeline, calls: Sequence[_Call], cancel: CancelToken) -> tuple[Settings, int]:
    """Every picture's settings resolved, and nothing computed: those of the first, and the steps of all."""
    first: Settings | None = None
    total, told = 0, set[str]()
    for call in calls:
        cancel.check()
        with pipeline.stream(call.prompt, **call.options) as run:
            if run.settings.batch != 1:
                expected = "one picture in each cell of a grid"
                raise SettingError("images", got=run.settings.batch, expected=expected, hint="vary `seed` for several")
            first = first or run.settings
            total += run.total_steps
            told.update(doubts(pipeline.bundle, run.settings))
    for doubt in sorted(told):
        warnings.warn(doubt, stacklevel=3)
    return cast("Settings", first), total  # an axis has at least one value


def _drawn(
    pipeline: Pipeline, calls: Sequence[_Call], total: int, cancel: CancelToken, on_step: Callable[[GridStep], None]
) -> Iterator[Result]:
    done = 0
    for index, call in enumerate(calls):
        with pipeline.stream(call.prompt, **call.options) as run, cancel.interrupting(run.cancel):
            for step in run:
                done += 1
                on_step(GridStep(index, len(calls), call.label, done, total, step))
            yield run.result


def _title(prompt: str | None, first: Result, names: Sequence[str]) -> str:
    """What all pictures have in common."""
    seed = "" if "seed" in names else f"seed {first.seed}"
    return ", ".join(filter(None, (prompt, str(first.provenance["bundle"]), seed)))


def _text(value: object) -> str:
    if isinstance(value, PurePath):
        return value.name
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_text(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
