"""Where a bundle comes from, without telling where on whose machine."""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
import re
import shlex
import shutil
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from edgediff_exporters.sources.base import Source
from edgediff_exporters.sources.files import reading_as_bundle
from edgediff_runtimes.bundle import FileEntry, Origin, Provenance, sha256_of
from edgediff_runtimes.errors import shown
from edgediff_runtimes.untrusted.bounds import TEXT_BYTES
from edgediff_runtimes.untrusted.documents import read_text

_CARD = "README.md"  # the hub's name for a model card
_VOCABULARY = "vocabulary.txt"
_FRONT_MATTER = 1 << 20  # characters; one has some kilobytes
_TOOLS = ("edgediff", "torch", "diffusers", "transformers", "onnx", "onnxscript", "onnx-ir", "onnxruntime")


def provenance(
    source: Source, bundle: Path, folder: Path, options: list[str], *, tools: Iterable[str] = ()
) -> Provenance:
    """The provenance of a bundle that is being written, and its model card, if the source has one.

    Args:
        source: What it is made from.
        bundle: Where it goes; only its name is kept.
        folder: Where it is being written.
        options: What the command line would say after its two arguments, without paths.
        tools: Packages that take part in this export and not in every one.

    Raises:
        SourceError: Its list of words is none that a run reads.
    """
    if (words := source.find(_VOCABULARY)) is not None:
        with reading_as_bundle():  # what every run of the bundle would refuse
            read_text(words, name=_VOCABULARY, bound=TEXT_BYTES)
    return Provenance(
        source=source.name,
        source_sha256=source_hash(source),
        components={
            role: Origin(part.name, files_hash(part.files, part.root) if part.files else None)
            for role, part in source.replaced.items()
        },
        tools={**{name: version(name) for name in (*_TOOLS, *tools)}, "python": platform.python_version()},
        command=shlex.join(["edgediff", "export", source.name, bundle.name, *options]),
        date=dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        licence=_licence(source.find(_CARD)),
        card=_copied(source, folder, _CARD),
        vocabulary=_copied(source, folder, _VOCABULARY),
    )


def _copied(source: Source, folder: Path, name: str) -> FileEntry | None:
    """A file that tells of the model, copied; None where the source has none, or has it of other weights."""
    path = source.find(name)
    ours = all(file.is_relative_to(source.folder) for file in source.files)  # or of the configs' own weights
    if path is None or not ours:
        return None
    shutil.copyfile(path, folder / name)
    return FileEntry(name, path.stat().st_size, sha256_of(path))


def source_hash(source: Source) -> str:
    """The SHA-256 of the weights.

    That of the file where there is one; else of what ``sha256sum */*.safetensors`` prints in the source's directory,
    in the order of the names.
    """
    return files_hash(source.files, source.folder)


def files_hash(files: Sequence[Path], folder: Path) -> str:
    """The SHA-256 of a file, or of several in a directory, see ``source_hash``."""
    if len(files) == 1:
        return sha256_of(files[0])
    lines = sorted((file.relative_to(folder).as_posix(), sha256_of(file)) for file in files)
    return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in lines).encode()).hexdigest()


def _licence(card: Path | None) -> str | None:
    """The licence that a model card's front matter states."""
    if card is None:
        return None
    with card.open(encoding="utf-8", errors="replace") as file:
        front = re.match(r"---\n(.*?)\n---", file.read(_FRONT_MATTER), re.DOTALL)
    stated = re.search(r"^license:\s*(\S.*?)\s*$", front[1], re.MULTILINE) if front else None
    return shown(stated[1].strip("'\"")) if stated else None
