"""Figures that are kept for later plans on this machine.

They are in ``plans`` of the user's cache folder (see ``compiled_cache``), a small JSON file for each variant, called by
a digest of all that its figures hang on. A file appears whole; one that cannot be read is measured again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import final

from edgediff.planning.figures import Figures
from edgediff.targets import write_whole
from edgediff_runtimes.compiled_cache import cache_folder
from edgediff_runtimes.errors import EdgediffError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.untrusted.documents import read_json


@final
@dataclass(frozen=True, slots=True)
class KeptFigures:
    """The folder of kept figures, which need not exist. ``path`` is None where the system has no place for one."""

    path: Path | None

    @classmethod
    def of_user(cls) -> KeptFigures:
        """The one that the environment names.

        Raises:
            SettingError: ``EDGEDIFF_CACHE`` is no folder.
        """
        folder = cache_folder()
        return cls(None if folder is None else folder / "plans")

    def sizes(self) -> dict[str, int]:
        """Bytes of each file, by its name."""
        found = {}
        for path in self._files():
            with contextlib.suppress(OSError):  # another process may delete it meanwhile
                found[path.name] = path.stat().st_size
        return found

    def clear(self) -> dict[str, int]:
        """Delete all files; those that are gone, as ``sizes`` has them."""
        before = self.sizes()
        for path in self._files():
            with contextlib.suppress(OSError):
                path.unlink()
        left = self.sizes()
        return {name: size for name, size in before.items() if name not in left}

    def read(self, name: str, *, roles: Collection[str]) -> Figures | None:
        """What is kept; None where nothing is, or nothing that can be read.

        Args:
            name: A digest.
            roles: Of the bundle's components, which the figures may be of.
        """
        if self.path is None:
            return None
        place = self.path / f"{name}.json"
        try:
            found = Figures.read(Fields(read_json(place, name=place.name, printable=True)))
        except EdgediffError:
            return None
        return found if found.executions.keys() <= {*roles} else None

    def keep(self, name: str, figures: Figures) -> None:
        """Keep figures, where that works: a plan does not need them afterwards."""
        if self.path is not None:
            with contextlib.suppress(OSError, EdgediffError):
                self.path.mkdir(parents=True, exist_ok=True)
                write_whole(self.path / f"{name}.json", json.dumps(figures.written(), indent=1))

    def _files(self) -> list[Path]:
        """Also those that a killed process did not finish."""
        if self.path is None:
            return []
        return sorted(path for kind in ("*.json", ".*.part") for path in self.path.glob(kind) if path.is_file())
