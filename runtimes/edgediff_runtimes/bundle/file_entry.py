"""A file as a manifest names it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

from edgediff_runtimes.fields import Fields


@final
@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a bundle: its path inside the bundle, its length in bytes, its SHA-256 in hexadecimal."""

    path: str
    bytes: int
    sha256: str | None

    @classmethod
    def read(cls, fields: Fields) -> FileEntry:
        """Read one entry; a hash that is present must be 64 hexadecimal digits."""
        sha256 = fields.optional_string("sha256")
        if sha256 is not None and not re.fullmatch("[0-9a-f]{64}", sha256):
            raise fields.fail("sha256", "64 hexadecimal digits")
        return cls(fields.string("path"), fields.integer("bytes"), sha256)
