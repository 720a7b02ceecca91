"""Reading what others put into a source: every oddity of it becomes a ``SourceError``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgediff_exporters.git_lfs import refuse_pointer
from edgediff_runtimes.errors import (
    BundleError,
    ComponentFileError,
    EdgediffError,
    ManifestError,
    RecipeError,
    SourceError,
    UnsafePathError,
    shown,
)
from edgediff_runtimes.untrusted import documents
from edgediff_runtimes.untrusted.links import find


@contextlib.contextmanager
def refusing_oddities(what: str) -> Iterator[None]:
    """Turn whatever a library says about an odd model into a ``SourceError`` about ``what``.

    Errors of ours pass, and so do the system's: a full disk is no fault of the model. An interrupt stays one, also
    where the library made an error of its own of it.
    """
    try:
        yield
    except (EdgediffError, OSError):
        raise
    except Exception as error:  # what torch, diffusers and transformers raise on odd values is anything
        if _is_of_interrupt(error):
            raise KeyboardInterrupt from error
        text = shown((str(error).strip().splitlines() or [""])[0])
        problem = f"there is no {text}" if isinstance(error, KeyError) else f"{type(error).__name__}: {text}"
        raise SourceError(f"{what} cannot be used: {problem}") from error


def _is_of_interrupt(error: BaseException | None) -> bool:
    """Whether an error began as an interrupt; where it came through C++, only its text tells."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or KeyboardInterrupt.__name__ in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def reading_as_bundle(before: str = "") -> Iterator[None]:
    """Turn what is said of a bundle's files into a ``SourceError``, where a source's are read as the runtime does.

    No manifest is at fault, and no hint to export the bundle again helps.

    Args:
        before: What the sentence begins with.
    """
    try:
        yield
    except BundleError as error:
        of_a_file = isinstance(error, ManifestError | ComponentFileError | UnsafePathError | RecipeError)
        sentence = error.problem if isinstance(error, ManifestError) else error.sentence
        raise SourceError(f"{before}{sentence}", hint=None if of_a_file else error.hint) from error


def find_file(folder: Path, relative: str) -> Path | None:
    """A file of a source by its path in the folder; None where there is no regular file.

    Raises:
        SourceError: A link leads out of the folder, see ``edgediff_runtimes.untrusted.links``, or in a circle; or the
            file cannot be read, or is a pointer of git-lfs.
    """
    try:
        if find(folder.resolve(), relative) is None:
            return None
        refuse_pointer(folder / relative)
    except UnsafePathError as error:
        raise SourceError(
            f"`{shown(relative)}` leads out of the model's directory through a link: expected a file inside it",
            hint="put the file itself in place of the link",
        ) from error
    except ComponentFileError as error:
        raise SourceError(error.sentence) from error
    except OSError as error:
        raise SourceError(f"`{shown(relative)}` cannot be read: {(error.strerror or str(error)).lower()}") from error
    return folder / relative


def names_in(folder: Path) -> list[str]:
    """The names in a directory, sorted; none where there is no directory.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise SourceError(f"`{folder.name}` cannot be read: {(error.strerror or str(error)).lower()}") from error


def read_json(folder: Path, relative: str, *, infinities: bool = False) -> dict[str, Any]:
    """A JSON object from a file of a source; ``infinities`` as of ``documents.parse_json``.

    Raises:
        SourceError: There is no such file, or it holds something else.
    """
    path = find_file(folder, relative)
    if path is None:
        raise SourceError(f"`{shown(relative)}` is missing from `{folder.name}`: expected a JSON file")
    with reading_as_bundle():
        return documents.read_json(path, name=f"{folder.name}/{shown(relative)}", infinities=infinities)
