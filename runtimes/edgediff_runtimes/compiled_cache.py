r"""Graphs that an engine compiled, kept in the user's cache folder so that the next start need not compile them again.

One directory per compiled graph, ``compiled/NAME``, with the engine's files and an ``entry.json`` that says what it is.
A directory appears whole, by renaming; the least recently used ones go when all together exceed the limit. A run never
needs the cache: whatever is wrong with the folder, the graph is compiled as if there were none.

- ``EDGEDIFF_CACHE``: the folder. Default: ``~/.cache/edgediff`` (``edgediff`` under ``XDG_CACHE_HOME`` where that is
  set), on macOS ``~/Library/Caches/edgediff``, on Windows ``%LOCALAPPDATA%\edgediff\Cache``.
- ``EDGEDIFF_CACHE_LIMIT``: bytes, such as ``2GB`` or ``512MiB``; ``0`` keeps nothing. Default: 4 GiB.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, final

from edgediff_runtimes.errors import ComponentFileError, EngineError, SettingError
from edgediff_runtimes.plain import BYTES_EXPECTED, as_bytes
from edgediff_runtimes.untrusted.documents import read_json

DEFAULT_LIMIT_BYTES = 4 << 30
FOLDER_VARIABLE, LIMIT_VARIABLE = "EDGEDIFF_CACHE", "EDGEDIFF_CACHE_LIMIT"
# One entry is expected to take at most this part of the limit. More is not worth it: an ONNX graph of Stable Diffusion
# 1.5's U-Net, 3.4 GB, would push all others out to save three processor seconds a load (benchmarks/README.md).
LARGEST_PART = 1 / 8
_ENTRY_FILE = "entry.json"
_UNFINISHED = ".part-"  # directories that are being filled, or that a killed process left
_ABANDONED_S = 24 * 3600
_NAME = re.compile(r"[0-9a-f]{32}")  # what entries are called: a digest
_Compiled = TypeVar("_Compiled")


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One compiled graph.

    Attributes:
        name: Its directory.
        about: What it is: ``role``, ``graph`` (its path), ``engine``, ``device``, ``execution``.
        bytes: Of all its files.
        used: When it was last used, in seconds since 1970.
    """

    name: str
    about: dict[str, Any]
    bytes: int
    used: float


@final
@dataclass(frozen=True, slots=True)
class CompiledCache:
    """A cache of compiled graphs. Several processes may use it at a time.

    Attributes:
        path: Where the entries are; it need not exist. None where the system has no place for a cache.
        limit: Bytes that all entries together may take.
    """

    path: Path | None
    limit: int = DEFAULT_LIMIT_BYTES

    @classmethod
    def of_user(cls) -> CompiledCache:
        """The cache that the environment names.

        Raises:
            SettingError: ``EDGEDIFF_CACHE`` is no folder, or ``EDGEDIFF_CACHE_LIMIT`` no number of bytes.
        """
        folder = cache_folder()
        return cls(None if folder is None else folder / "compiled", _limit())

    def entries(self) -> tuple[Entry, ...]:
        """What is there, the most recently used first."""
        found = (_read(path) for path in self._directories())
        return tuple(sorted((entry for entry in found if entry is not None), key=lambda entry: -entry.used))

    def clear(self) -> tuple[Entry, ...]:
        """Delete all entries, also those without a usable ``entry.json``, and nothing that is not one.

        Returns:
            Those that are gone; one that another process has open stays on Windows.
        """
        before = self.entries()
        for path in self._directories():
            if path.name.startswith(_UNFINISHED) or _read(path) is not None or _is_unusable(path):
                shutil.rmtree(path, ignore_errors=True)
        left = {entry.name for entry in self.entries()}
        return tuple(entry for entry in before if entry.name not in left)

    def compiled(
        self,
        name: str,
        about: dict[str, Any],
        build: Callable[[Path | None], _Compiled],
        *,
        expected_bytes: int,
    ) -> _Compiled:
        """A compiled graph, by way of the cache where that works.

        Args:
            name: Of the entry: a digest of all that the compiled graph depends on.
            about: See ``Entry``.
            build: Compiles, and uses the folder it is given (an earlier compilation's, or an empty one) as the engine's
                own cache; None: without.
            expected_bytes: About how large the entry will be; one beyond ``LARGEST_PART`` of the limit is not begun.

        Raises:
            EngineError: What ``build`` raises without a folder.
        """
        if self.path is None or self.limit == 0 or expected_bytes > LARGEST_PART * self.limit:
            return build(None)
        place = self.path / name
        if _read(place) is not None:
            with contextlib.suppress(OSError):
                os.utime(place / _ENTRY_FILE)
            try:
                return build(place)
            except (OSError, EngineError):  # what the engine stored is of no use to it
                shutil.rmtree(place, ignore_errors=True)
                return build(None)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.path))
        except OSError:
            return build(None)
        try:
            built = build(part)
            self._publish(part, place, about)
        except EngineError:  # of the graph, or of the folder: a full disk, say
            return build(None)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._evict()
        return built

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path | None]:
        """An empty folder where this cache is, for a cache of its own as long as the block runs.

        None where there is none to be had. Were the process killed, it would go as a half compiled graph does.
        """
        folder = None
        if self.path is not None and self.limit > 0:
            with contextlib.suppress(OSError):
                self.path.mkdir(parents=True, exist_ok=True)
                folder = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.path))
        try:
            yield folder
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def _publish(self, part: Path, place: Path, about: dict[str, Any]) -> None:
        """Let a directory appear, unless the engine stored nothing or another process was faster."""
        with contextlib.suppress(OSError):
            if any(part.iterdir()):
                (part / _ENTRY_FILE).write_text(json.dumps(about, indent=1), encoding="utf-8")
                part.rename(place)

    def _evict(self) -> None:
        """Delete the least recently used entries beyond the limit, and what killed processes left of others."""
        total = 0
        for entry in self.entries():
            total += entry.bytes
            if self.path is not None and total > self.limit:
                shutil.rmtree(self.path / entry.name, ignore_errors=True)
                total -= entry.bytes
        for path in self._directories():
            with contextlib.suppress(OSError):
                if path.name.startswith(_UNFINISHED) and time.time() - path.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(path, ignore_errors=True)
            if _is_unusable(path):
                shutil.rmtree(path, ignore_errors=True)

    def _directories(self) -> list[Path]:
        try:
            return [] if self.path is None else [path for path in self.path.iterdir() if path.is_dir()]
        except OSError:
            return []


def _read(path: Path) -> Entry | None:
    """The entry in a directory, or None where there is none."""
    if path.name.startswith(_UNFINISHED):
        return None
    try:
        about = read_json(path / _ENTRY_FILE, name=_ENTRY_FILE, printable=True)
        used = (path / _ENTRY_FILE).stat().st_mtime
        size = sum(file.stat().st_size for file in path.iterdir())
    except (OSError, ValueError):
        return None
    return Entry(path.name, about, size, used)


def _is_unusable(path: Path) -> bool:
    """Whether a directory is called like an entry, and its ``entry.json`` is missing or no JSON.

    Its bytes are counted nowhere. An entry never looks so while it is made, for it appears whole. One that cannot be
    read for another reason (rights, too many open files) may be read again later.
    """
    if _NAME.fullmatch(path.name) is None:
        return False
    try:
        read_json(path / _ENTRY_FILE, name=_ENTRY_FILE, printable=True)
    except ComponentFileError as error:
        return isinstance(error.__cause__, FileNotFoundError | ValueError)
    return False


def files_beside(graph: Path) -> list[tuple[str, int, int]]:
    """Name, length and time of a graph's file and of those beside it, among which are its weights."""
    try:
        stats = [(file.name, file.stat()) for file in sorted(graph.parent.iterdir()) if file.is_file()]
    except OSError:  # compiling will say what is wrong with it
        return []
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def cache_folder() -> Path | None:
    """The folder of all caches of this user, see above; it need not exist. None where the system has no place for one.

    Raises:
        SettingError: ``EDGEDIFF_CACHE`` is no folder.
    """
    if given := os.environ.get(FOLDER_VARIABLE):
        try:
            return Path(given).expanduser().absolute()
        except (RuntimeError, OSError, ValueError) as error:  # no such user, no working directory, a zero byte
            raise SettingError(FOLDER_VARIABLE, got=given, expected="a folder for the cache") from error
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) / "edgediff" / "Cache" if local else None
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "edgediff"
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative paths ignored.
    return (Path(xdg) if Path(xdg).is_absolute() else home / ".cache") / "edgediff"


def _limit() -> int:
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not text:
        return DEFAULT_LIMIT_BYTES
    limit = as_bytes(text)
    if limit is None:
        raise SettingError(LIMIT_VARIABLE, got=text, expected=BYTES_EXPECTED)
    return limit
