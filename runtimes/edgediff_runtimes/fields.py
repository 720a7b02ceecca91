"""Typed reading of a JSON object, with errors that name the field."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard, final

from edgediff_runtimes.errors import ManifestError
from edgediff_runtimes.untrusted.bounds import Bound


def is_finite(value: object) -> TypeGuard[float]:
    """Whether a JSON value is a number that a float holds; JSON's whole numbers may be larger than any float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


@final
@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object and where it stands in the manifest.

    Every reader returns the field in the type its name says or raises ``ManifestError`` naming the field, what was got
    and what was expected. A field without a ``default`` is required.
    """

    values: Mapping[str, Any]
    where: str = ""

    def path(self, name: str) -> str:
        """Where a field stands, for an error: ``components.unet.files``."""
        return f"{self.where}.{name}" if self.where else name

    def fail(self, name: str, expected: str) -> ManifestError:
        """The error for a field that is not what was expected."""
        return ManifestError(self.path(name), got=self.values.get(name), expected=expected)

    def string(self, name: str) -> str:
        """A string that is not empty."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            raise self.fail(name, "a string that is not empty")
        return value

    def text(self, name: str) -> str:
        """A string, which may be empty."""
        value = self.values.get(name)
        if not isinstance(value, str):
            raise self.fail(name, "a string")
        return value

    def optional_string(self, name: str) -> str | None:
        """A string, or None where the field is null or missing."""
        return None if self.values.get(name) is None else self.string(name)

    def integer(self, name: str, *, minimum: int = 0, bound: Bound | None = None) -> int:
        """A whole number of at least ``minimum``, within ``bound``."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise self.fail(name, f"a whole number of at least {minimum}")
        if bound is not None and value > bound.most:
            raise self.fail(name, bound.expected)
        return value

    def optional_integer(self, name: str, *, minimum: int = 0, bound: Bound | None = None) -> int | None:
        """Likewise, or None where it is missing or null."""
        return None if self.values.get(name) is None else self.integer(name, minimum=minimum, bound=bound)

    def number(self, name: str) -> float:
        """A finite number."""
        value = self.values.get(name)
        if not is_finite(value):
            raise self.fail(name, "a finite number")
        return float(value)

    def optional_number(self, name: str) -> float | None:
        """A finite number, or None where the field is null or missing."""
        return None if self.values.get(name) is None else self.number(name)

    def mapping(self, name: str) -> dict[str, Any]:
        """A JSON object as it stands."""
        value = self.values.get(name)
        if not isinstance(value, dict):
            raise self.fail(name, "an object")
        return value

    def fields(self, name: str) -> Fields:
        """A JSON object to read further."""
        return Fields(self.mapping(name), self.path(name))

    def array(self, name: str) -> list[Any]:
        """A JSON array as it stands."""
        value = self.values.get(name)
        if not isinstance(value, list):
            raise self.fail(name, "an array")
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        """An array of strings."""
        value = self.array(name)
        if not all(isinstance(item, str) for item in value):
            raise self.fail(name, "an array of strings")
        return tuple(value)

    def objects(self, name: str) -> Iterator[Fields]:
        """An array of JSON objects to read further."""
        for index, item in enumerate(self.array(name)):
            where = f"{self.path(name)}[{index}]"
            if not isinstance(item, dict):
                raise ManifestError(where, got=item, expected="an object")
            yield Fields(item, where)
