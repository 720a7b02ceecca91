"""Where links in a folder that others made may lead: inside the folder, or where the Hugging Face hub's cache leads.

The hub's cache keeps ``snapshots/COMMIT/unet/model.onnx`` as a link to ``../../../blobs/SHA``, beside the snapshots.
Any other link out of a folder could show, or copy into a bundle, a file that was never meant to be read.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from edgediff_runtimes.errors import ComponentFileError, UnsafePathError

_SNAPSHOTS, _BLOBS = "snapshots", "blobs"
# A blob is named by its SHA-1 (what git keeps) or its SHA-256 (what LFS keeps).
_BLOB_NAME = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def locate(root: Path, relative: str) -> Path:
    """The path of something in a folder, once it is sure that it stays there.

    Args:
        root: The folder, absolute and resolved.
        relative: A path in it, with ``/`` between its parts; nothing needs to be there.

    Returns:
        An absolute path: without links, except that a file of the hub's cache keeps its name in the snapshot, because
        a graph finds its weights beside it and an engine knows its format by the name.

    Raises:
        UnsafePathError: The path is absolute, climbs out, or a symbolic link on it leads out.
        ComponentFileError: The path cannot be followed: links in a circle, a name that no file can have.
    """
    pure = PurePosixPath(relative)
    if pure.is_absolute() or ".." in pure.parts or any(character in relative for character in "\\:\0"):
        raise UnsafePathError(relative)
    try:
        resolved = (root / pure).resolve()
        if resolved.is_relative_to(root):
            return resolved
        if _is_blob(root, resolved):
            return root / pure
    except (OSError, RuntimeError, ValueError) as error:  # a circle, a name too long, one that is no Unicode
        raise ComponentFileError(
            relative, "cannot be followed: expected a file, not links in a circle or a name that no file has"
        ) from error
    raise UnsafePathError(relative)


def find(root: Path, relative: str) -> Path | None:
    """As ``locate``; None where there is no regular file: nothing, a directory, a device, a pipe."""
    path = locate(root, relative)
    return path if is_regular(path) else None


def is_regular(path: Path) -> bool:
    """Whether there is a regular file, or a link to one; False for what cannot be looked at."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long or no Unicode, a directory that may not be read
        return False


def _is_blob(root: Path, resolved: Path) -> bool:
    """Whether ``root`` is in a snapshot of the hub's cache and ``resolved`` one of that repository's blobs."""
    snapshots = next((parent for parent in root.parents if parent.name == _SNAPSHOTS), None)
    return (
        snapshots is not None
        and resolved.parent == snapshots.parent / _BLOBS
        and _BLOB_NAME.fullmatch(resolved.name) is not None
        and resolved.is_file()
    )
