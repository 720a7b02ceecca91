"""``edgediff.web``: a static folder with a bundle and a page that draws with it in a browser."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from edgediff.api import open_bundle
from edgediff.browser.library import BUILDS, FILES, OnProgress, find_library
from edgediff.browser.page import PAGE, Page, check_drawable, files, needed
from edgediff_runtimes.bundle import MANIFEST_NAME, Bundle, Manifest
from edgediff_runtimes.errors import EdgediffError
from edgediff_runtimes.settings.resolve import resolve_settings
from edgediff_runtimes.untrusted.documents import names_in

SITE = "edgediff-web.json"
_FORMAT = 1
_BUNDLE, _LIBRARY = "bundle", "library"
_BLOCK = 1 << 20


@final
@dataclass(frozen=True, slots=True)
class WebFolder:
    """What ``web`` wrote.

    Attributes:
        path: The folder.
        files: How many files it has.
        bytes: All of them together.
        library: The library that computes, with its version.
        left_out: Tasks of the bundle that the page does not do.
    """

    path: Path
    files: int
    bytes: int
    library: str
    left_out: tuple[str, ...]


def _ignore(_what: str, _done: int, _total: int) -> None:
    pass


def web(
    bundle: str | Path,
    folder: str | Path,
    *,
    wasm: str | Path | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = _ignore,
) -> WebFolder:
    """Write a folder that draws with a bundle in a browser, served by any static server.

    ONNX Runtime's web library is fetched once from npm's registry, compared with the digest that the page was built
    with, and kept in the cache. See ``docs/web.md``.

    Args:
        bundle: A directory, the name of a shipped model, or the id of a bundle on the hub.
        folder: Where to; it appears whole or not at all.
        wasm: A folder with the npm package ``onnxruntime-web``, unpacked, where the registry is not to be asked.
        overwrite: Replace a folder that ``web`` wrote, once the new one is complete.
        on_progress: Told ``(what, done, in all)`` in bytes.

    Returns:
        What was written.

    Raises:
        BundleError: There is no valid bundle, or the page does not draw it.
        SettingError: ``wasm`` does not hold the library.
        EdgediffError: The folder cannot be written, or the library cannot be fetched.
    """
    page = Page.built()
    opened = open_bundle(bundle)
    lost = check_drawable(opened.manifest, page)
    target = Path(folder).absolute()
    _check_target(target, overwrite=overwrite)
    library = find_library(page.library, wasm, on_progress)
    sources = {name: PAGE / name for name in files()}
    sources |= {f"{_LIBRARY}/{name}": library / name for name in FILES}
    sources |= {f"{_BUNDLE}/{name}": path for name, path in _bundle_files(opened, lost)}
    with _staged(target, overwrite=overwrite) as place:
        written = _copied(sources, place, on_progress)
        manifest = replace(opened.manifest, quality=None, reuse=()).to_json().encode()
        written[f"{_BUNDLE}/{MANIFEST_NAME}"] = _put(place / _BUNDLE / MANIFEST_NAME, manifest)
        site = json.dumps(_site(opened, written), indent=1, ensure_ascii=False).encode()
        _put(place / SITE, site)
    total = sum(size for size, _ in written.values()) + len(site)
    named = f"{page.library.name} {page.library.version}"
    return WebFolder(target, len(written) + 1, total, named, lost)


def _bundle_files(bundle: Bundle, lost: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """What drawing needs of a bundle, and its card and licence."""
    manifest = bundle.manifest
    names = [entry.path for role in needed(manifest.recipe, lost) for entry in manifest.components[role].files]
    for tokenizer in manifest.tokenizers:
        listed = names_in(bundle.locate(tokenizer.path), name=tokenizer.path)
        names += [f"{tokenizer.path}/{name}" for name in listed]
    provenance = manifest.provenance
    names += [entry.path for entry in (provenance.card, provenance.vocabulary) if entry is not None]
    names += [name for name in names_in(bundle.path, name=bundle.path.name) if name.upper().startswith("LICENSE")]
    for name in dict.fromkeys(names):
        path = bundle.locate(name)
        if path.is_file():
            yield name, path


def _site(bundle: Bundle, written: dict[str, tuple[int, str]]) -> dict[str, Any]:
    manifest: Manifest = bundle.manifest
    prompt = "" if "prompt" in manifest.recipe.options else None
    settings = resolve_settings(manifest.recipe, manifest.defaults, prompt, {"seed": 0}, image_size=None)
    vocabulary = manifest.provenance.vocabulary
    names = ("script", "module", "wasm")
    return {
        "format": _FORMAT,
        "name": bundle.path.name,
        "fingerprint": bundle.fingerprint,
        "files": [{"path": path, "bytes": size, "sha256": sha256} for path, (size, sha256) in written.items()],
        "library": {
            device: {name: f"{_LIBRARY}/{file}" for name, file in zip(names, build, strict=True)}
            for device, build in BUILDS.items()
        },
        "settings": settings.of_image(0),
        "vocabulary": None if vocabulary is None else f"{_BUNDLE}/{vocabulary.path}",
    }


def _copied(sources: dict[str, Path], place: Path, on_progress: OnProgress) -> dict[str, tuple[int, str]]:
    """Length and SHA-256 of every file, by its path in the folder."""
    total = sum(path.stat().st_size for path in sources.values())
    done, written = 0, {}
    for name, source in sources.items():
        digest, size = hashlib.sha256(), 0
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as read, (place / name).open("xb") as write:
            while block := read.read(_BLOCK):
                write.write(block)
                digest.update(block)
                size += len(block)
                on_progress(f"writing {name}", done + size, total)
        done += size
        written[name] = (size, digest.hexdigest())
    return written


def _put(path: Path, data: bytes) -> tuple[int, str]:
    path.write_bytes(data)
    return len(data), hashlib.sha256(data).hexdigest()


def _check_target(target: Path, *, overwrite: bool) -> None:
    if not os.path.lexists(target):
        if not target.parent.is_dir():
            raise EdgediffError(f"`{target}` cannot be written: the folder `{target.parent}` does not exist")
        return
    if not overwrite:
        raise EdgediffError(
            f"`{target}` exists: expected a place where nothing is", hint="give another name, or `overwrite=True`"
        )
    if target.is_symlink() or not (target / SITE).is_file():
        raise EdgediffError(f"`{target}` exists and is no folder of `edgediff.web`: only such a one is overwritten")


@contextlib.contextmanager
def _staged(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A folder beside the target that takes its place where the block ends without an error, and else goes."""
    token = secrets.token_hex(4)
    place, old = (target.with_name(f".{target.name}.{kind}-{token}") for kind in ("new", "old"))
    try:
        place.mkdir()
        yield place
        if overwrite and os.path.lexists(target):
            _check_target(target, overwrite=True)
            target.rename(old)
        if os.path.lexists(target):
            raise EdgediffError(f"`{target}` appeared meanwhile: it is left as it is", hint="give another name")
        place.rename(target)
    except OSError as error:
        if isinstance(error, EdgediffError):
            raise
        raise EdgediffError(f"`{target}` cannot be written ({error.strerror or error})") from error
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for folder in (place, old):
            shutil.rmtree(folder, ignore_errors=True)
