"""Frozen dataclasses to JSON and back, checked by their own annotations: one reader for all declarations."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from edgediff_runtimes.fields import Fields, is_finite
from edgediff_runtimes.untrusted.bounds import AXIS, CHANNELS, FACTOR, LABELS, PIXELS, SIDE, TOKENS, VOCABULARY, Bound

T = TypeVar("T")

# Whole numbers that become memory, by the name of their field. Any other one is an axis, which may count from the end.
_BOUNDS: dict[str, Bound] = {
    "channels": CHANNELS,
    "factor": FACTOR,
    "height": SIDE,
    "width": SIDE,
    "multiple": SIDE,
    "largest": SIDE,
    "trained": SIDE,
    "area": PIXELS,
    "token": SIDE,
    "length": TOKENS,
    "entries": TOKENS,
    "dropped": TOKENS,
    "dim": CHANNELS,
    "axes": AXIS,
    "pixels": SIDE,
    "within": SIDE,
    "upscale": FACTOR,
    "patch": FACTOR,
    "norm_patch": FACTOR,
    "below": LABELS,
    "names": LABELS,
    "default": LABELS,
    "index": AXIS,
    "side": SIDE,
    "merge": FACTOR,
    "window": FACTOR,
    "least": PIXELS,
    "most": PIXELS,
    "rounded": SIDE,
    "mark": VOCABULARY,
}
_LEAST = {"names": 0, "dropped": 0, "entries": 0, "default": 0, "index": 0, "mark": 0}


def read_record(cls: type[T], fields: Fields) -> T:
    """Read a declaration.

    Args:
        cls: A dataclass whose fields are texts, numbers, truth values, tuples and dicts of them, and unions of these.
        fields: The JSON object. What it leaves out has the declaration's own default.

    Raises:
        ManifestError: A field is missing, is unknown, or has another type.
    """
    hints = get_type_hints(cls)
    declared = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type] # it is a dataclass
    if unknown := sorted(fields.values.keys() - declared.keys() - {"part"}):
        raise fields.fail(unknown[0], f"no such field: {', '.join(declared)} are known")
    values = {}
    for name, field in declared.items():
        if name in fields.values:
            values[name] = _converted(fields, name, hints[name])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise fields.fail(name, f"it to be there ({_said(hints[name])})")
    return cls(**values)


def write_record(record: object) -> dict[str, Any]:
    """A declaration as JSON values; what is as declared by default is left out."""
    return {
        field.name: value
        for field in dataclasses.fields(record)  # type: ignore[arg-type] # it is a dataclass
        if (value := getattr(record, field.name)) != _default(field)
    }


def _default(field: dataclasses.Field[Any]) -> object:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _converted(fields: Fields, name: str, hint: Any) -> Any:  # noqa: ANN401 - as declared
    value = _as(fields.values[name], hint)
    if value is _NOT:
        raise fields.fail(name, _said(hint))
    bound = _BOUNDS.get(name, AXIS)
    least = _LEAST.get(name, 1) if name in _BOUNDS else -AXIS.most
    if not all(least <= number <= bound.most for number in _whole_numbers(value)):
        raise fields.fail(name, f"{bound.expected}, and at least {least}")
    return value


def _whole_numbers(value: object) -> Iterator[int]:
    """Those of a converted value, however deep."""
    if type(value) is int:
        yield value
    elif isinstance(value, tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _whole_numbers(item)


_NOT = object()


def _as(value: Any, hint: Any) -> Any:  # noqa: ANN401, PLR0911 - one return per shape of a type
    """The value as the annotation says, or ``_NOT``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return next((found for option in arguments if (found := _as(value, option)) is not _NOT), _NOT)
    if origin is Literal:
        return value if isinstance(value, str) and value in arguments else _NOT
    if origin is tuple:
        items = [_as(item, arguments[0]) for item in value] if isinstance(value, list | tuple) else [_NOT]
        return _NOT if any(item is _NOT for item in items) else tuple(items)
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            return _NOT
        read = {key: _as(item, arguments[1]) for key, item in value.items()}
        return _NOT if any(item is _NOT for item in read.values()) else read
    if hint is types.NoneType:
        return None if value is None else _NOT
    if hint is float:
        return float(value) if is_finite(value) else _NOT
    return value if type(value) is hint else _NOT


def _said(hint: Any) -> str:  # noqa: ANN401 - any annotation
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_said(option) for option in arguments)
    if origin is Literal:
        return " or ".join(f"`{option}`" for option in arguments)
    if origin is tuple:
        return f"an array of {_said(arguments[0])}"
    if origin is dict:
        return f"an object of {_said(arguments[1])}"
    names = {str: "text", int: "whole number", float: "finite number", bool: "true or false", types.NoneType: "null"}
    return names.get(hint, str(hint))
