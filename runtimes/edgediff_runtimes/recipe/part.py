"""What all declarations of parts share: the names of values and options among their fields."""

from __future__ import annotations

import dataclasses
from abc import ABC
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

_WIRE = "wire"
# Metadata of a field that names what is read, what is written, and which option of the call is read.
READ = {_WIRE: "read"}
WRITE = {_WIRE: "write"}
OPTION = {_WIRE: "option"}


@dataclass(frozen=True, slots=True)
class Part(ABC):  # noqa: B024 - what the leaves differ in is their fields
    """A declaration: a frozen dataclass whose fields with ``READ``, ``WRITE`` or ``OPTION`` as metadata hold names.

    Such a field is a name, None, a tuple of names (numbers among them are no names) or a dict whose values are names.

    Attributes:
        ALWAYS: Options that such a part reads whatever its fields say.
    """

    ALWAYS: ClassVar[tuple[str, ...]] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Values that it reads."""
        return tuple(self._names("read"))

    @property
    def writes(self) -> tuple[str, ...]:
        """Values that it writes."""
        return tuple(self._names("write"))

    @property
    def options(self) -> tuple[str, ...]:
        """Options of a call that it reads."""
        return tuple(dict.fromkeys([*self.chosen, *self.ALWAYS]))

    @property
    def chosen(self) -> tuple[str, ...]:
        """Those of them that its fields name."""
        return tuple(dict.fromkeys(self._names("option")))

    def _names(self, wire: str) -> Iterator[str]:
        for field in dataclasses.fields(self):
            if field.metadata.get(_WIRE) == wire:
                yield from _names_in(getattr(self, field.name))


def _names_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        yield from (item for item in value if isinstance(item, str))
    elif isinstance(value, dict):
        yield from _names_in(tuple(value.values()))
