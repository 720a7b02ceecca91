"""The files of ONNX Runtime's web library: from a folder, from the cache, or fetched once from npm's registry."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import secrets
import shutil
import tarfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TypeAlias, final

from edgediff.browser.page import Library
from edgediff_runtimes.compiled_cache import cache_folder
from edgediff_runtimes.errors import EdgediffError, SettingError
from edgediff_runtimes.untrusted.documents import read_json

OnProgress: TypeAlias = Callable[[str, int, int], None]

# By device: the script that is imported, the module that starts the WebAssembly, and the WebAssembly.
BUILDS = {
    "webgpu": (
        "ort.webgpu.min.mjs",
        "ort-wasm-simd-threaded.asyncify.mjs",
        "ort-wasm-simd-threaded.asyncify.wasm",
    ),
    "wasm": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
}
FILES = tuple(dict.fromkeys(name for build in BUILDS.values() for name in build))
_REGISTRY = "https://registry.npmjs.org"
_PATIENCE_S = 30.0
_BLOCK = 1 << 18
_LARGEST = 256 << 20  # the archive has 33 MB


@final
@dataclass(frozen=True, slots=True)
class KeptLibraries:
    """Where the libraries that were fetched are kept; ``path`` is None where the system has no place for a cache."""

    path: Path | None

    @classmethod
    def of_user(cls) -> KeptLibraries:
        """The one that the environment names.

        Raises:
            SettingError: ``EDGEDIFF_CACHE`` is no folder.
        """
        folder = cache_folder()
        return cls(None if folder is None else folder / "web")

    def sizes(self) -> dict[str, int]:
        """Bytes of each library, by its name, also of those that a killed process did not finish."""
        found = {}
        for folder in self._folders():
            with contextlib.suppress(OSError):  # another process may delete it meanwhile
                found[folder.name] = sum(path.stat().st_size for path in folder.iterdir())
        return found

    def clear(self) -> dict[str, int]:
        """Delete all; those that are gone, as ``sizes`` has them."""
        before = self.sizes()
        for folder in self._folders():
            shutil.rmtree(folder, ignore_errors=True)
        left = self.sizes()
        return {name: size for name, size in before.items() if name not in left}

    def _folders(self) -> list[Path]:
        if self.path is None or not self.path.is_dir():
            return []
        return sorted(path for path in self.path.iterdir() if path.is_dir())


def find_library(library: Library, folder: str | Path | None, on_progress: OnProgress) -> Path:
    """A folder with all ``FILES``.

    Args:
        library: Which package.
        folder: The unpacked npm package, or its ``dist``; None: what is kept, else what the registry has.
        on_progress: Told ``(what, done, in all)`` in bytes while it is fetched.

    Raises:
        SettingError: ``folder`` does not hold it, or holds another version.
        EdgediffError: It cannot be fetched, or is not what the page was tested with.
    """
    if folder is not None:
        return _given(library, Path(folder))
    place = KeptLibraries.of_user().path
    kept = None if place is None else place / f"{library.name}-{library.version}"
    if kept is not None and _is_whole(kept):
        return kept
    archive = _fetched(library, on_progress)
    if kept is None:
        raise EdgediffError(
            "this system has no place for a cache: expected one to keep the web library in",
            hint="the environment variable EDGEDIFF_CACHE names a folder",
        )
    _unpack(library, archive, kept)
    return kept


def _given(library: Library, folder: Path) -> Path:
    place = folder / "dist" if (folder / "dist").is_dir() else folder
    missing = next((name for name in FILES if not (place / name).is_file()), None)
    if missing is not None:
        expected = f"the folder of the npm package {library.name} {library.version}, with `{missing}`"
        raise SettingError("wasm", got=str(folder), expected=expected)
    about = place.parent / "package.json"
    version = read_json(about, name=about.name).get("version") if about.is_file() else library.version
    if version != library.version:
        expected = f"{library.version}, which the page was tested with"
        raise SettingError("wasm", got=f"{library.name} {version}", expected=expected)
    return place


def _is_whole(folder: Path) -> bool:
    return all((folder / name).is_file() for name in FILES)


def _fetched(library: Library, on_progress: OnProgress) -> bytes:
    """The package's archive, whose digest is that of the page's own lock file."""
    url = f"{_REGISTRY}/{library.name}/-/{library.name}-{library.version}.tgz"
    what = f"{library.name} {library.version}"
    archive = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_S) as response:  # noqa: S310 - the address is ours, and https
            total = int(response.headers.get("Content-Length") or 0)
            while (block := response.read(_BLOCK)) and len(archive) <= _LARGEST:
                archive += block
                on_progress(f"fetching {what}", len(archive), total)
    except (OSError, ValueError, HTTPException) as error:  # a URLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise EdgediffError(
            f"{what} cannot be fetched from {_REGISTRY} ({reason}): expected to reach it once",
            hint="`wasm` names a folder with that npm package, unpacked",
        ) from error
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != library.integrity:
        raise EdgediffError(f"what {_REGISTRY} gave is not {what}: its digest is {found[:20]}…, another than expected")
    return bytes(archive)


def _unpack(library: Library, archive: bytes, target: Path) -> None:
    """The wanted files alone, in a folder that appears whole."""
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as package:
            for name in FILES:
                member = package.extractfile(f"package/dist/{name}") or io.BytesIO()  # no file of it has that name
                with member, (part / name).open("xb") as file:
                    shutil.copyfileobj(member, file)
        with contextlib.suppress(FileExistsError):
            part.rename(target)  # where another process was quicker, its files are the same
    except (OSError, KeyError, tarfile.TarError) as error:
        if not _is_whole(target):
            raise EdgediffError(f"{library.name} cannot be kept in the cache ({error})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
