"""Pictures that steer the network, and what is said of each: checked, and one for each of the graphs they are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.plain import as_finite
from edgediff_runtimes.preprocessors import PREPROCESSORS
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import Control, ControlScale, Graph
from edgediff_runtimes.recipe.declarations.control import CONTROLS

PICTURE, *_ABOUT = CONTROLS


def picture_name(index: int) -> str:
    """By what name a run knows one of these pictures."""
    return f"{PICTURE}.{index}"


def controlled(recipe: Recipe) -> tuple[str, ...]:
    """The components that are steered by a picture, in the order of the pictures."""
    stage = recipe.first
    parts = (*stage.given, *stage.network)
    about = {part.to: part.index for part in parts if isinstance(part, Control | ControlScale)}
    graphs = [part for part in parts if isinstance(part, Graph)]
    # A graph that is fed the weight comes behind one that only encodes the picture.
    fed = {about[value]: part.role for part in graphs for value in part.feeds.values() if value in about}
    return tuple(fed[index] for index in sorted(fed))


def control_pictures(recipe: Recipe, options: Mapping[str, Any]) -> dict[str, Any]:
    """The pictures that a caller gives, not read yet, by the names that a run knows them by.

    Raises:
        SettingError: There are not as many as the bundle has components for them, or it has none.
    """
    given, roles = options.get(PICTURE), controlled(recipe)
    if given is None or not roles:
        return {}
    pictures = list(given) if isinstance(given, list | tuple) else [given]
    if len(pictures) != len(roles) or not any(picture is not None for picture in pictures):
        several = len(roles) > 1
        expected = f"{len(roles)}, one for each of {', '.join(roles)}" if several else f"one, for {roles[0]}"
        hint = "None leaves one of them out" if several else None
        raise SettingError(PICTURE, got=f"{len(pictures)} pictures", expected=expected, hint=hint)
    return {picture_name(index): picture for index, picture in enumerate(pictures) if picture is not None}


def control_choices(recipe: Recipe, options: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What is said of each picture, by option; None where a component has none. Empty without pictures.

    Raises:
        SettingError: A number or a name is none, or there are not as many of them as pictures.
    """
    pictures = control_pictures(recipe, options)
    if not pictures:
        for name in _ABOUT:
            if options.get(name) is not None:
                raise SettingError(name, got=options[name], expected=f"nothing, because there is no `{PICTURE}`")
        return {}
    if options.get("enlarge") is not None:
        expected = "nothing beside `enlarge`, which draws several sizes, and in tiles"
        raise SettingError(PICTURE, got="a picture", expected=expected, hint="enlarge the result")
    there = [picture_name(index) in pictures for index in range(len(controlled(recipe)))]
    scales = _each("control_scale", options, there, default=1.0)
    starts = _each("control_start", options, there, default=0.0)
    ends = _each("control_end", options, there, default=1.0)
    names = _each("control_preprocessor", options, there, default=None)
    for start, end in zip(starts, ends, strict=True):
        if end is not None and not 0 < end <= 1:
            raise SettingError("control_end", got=end, expected="a share of the calls above 0, up to 1")
        if start is not None and not 0 <= start < end:
            expected = f"a share of the calls from 0, below {end:g}, where `control_end` is"
            raise SettingError("control_start", got=start, expected=expected)
    for name in names:
        if name is not None and name not in PREPROCESSORS:
            raise SettingError("control_preprocessor", got=name, expected=f"{', '.join(PREPROCESSORS)}, or nothing")
    return dict(zip(_ABOUT, (scales, starts, ends, names), strict=True))


def _each(name: str, options: Mapping[str, Any], there: Sequence[bool], *, default: float | None) -> list[Any]:
    """One entry for each component: the one that is given counts for all pictures, None takes the default."""
    given = options.get(name)
    entries = list(given) if isinstance(given, list | tuple) else [given] * len(there)
    if len(entries) != len(there):
        expected = f"one for all pictures, or one for each of the {len(there)} components that take a picture"
        raise SettingError(name, got=given, expected=expected)
    found: list[Any] = []
    for entry, is_there in zip(entries, there, strict=True):
        value = default if entry is None else entry
        if name != "control_preprocessor":
            value = as_finite(value)
            if value is None:
                raise SettingError(name, got=entry, expected="a finite number")
        found.append(value if is_there else None)
    return found
