"""Where a bundle comes from, without telling where on whose machine."""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
import re
import shlex
from importlib.metadata import version
from pathlib import Path

from edgediff_exporters.sources.base import Source
from edgediff_runtimes.bundle import Provenance, sha256_of

_TOOLS = ("edgediff", "torch", "diffusers", "transformers", "onnx", "onnxscript", "onnx-ir", "onnxruntime")


def provenance(source: Source, bundle: Path, options: list[str]) -> Provenance:
    """The provenance of a bundle that is being written.

    Args:
        source: What it is made from.
        bundle: Where it goes; only its name is kept.
        options: What the command line would say after its two arguments, without paths.
    """
    return Provenance(
        source=source.name,
        source_sha256=source_hash(source),
        tools={**{name: version(name) for name in _TOOLS}, "python": platform.python_version()},
        command=shlex.join(["edgediff", "export", source.name, bundle.name, *options]),
        date=dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        licence=_licence(source.folder / "README.md"),
    )


def source_hash(source: Source) -> str:
    """The SHA-256 of the weights.

    That of the file where there is one; else of what ``sha256sum */*.safetensors`` prints in the source's directory,
    in the order of the names.
    """
    if len(source.files) == 1:
        return sha256_of(source.files[0])
    lines = sorted((file.relative_to(source.folder).as_posix(), sha256_of(file)) for file in source.files)
    return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in lines).encode()).hexdigest()


def _licence(card: Path) -> str | None:
    """The licence that a model card's front matter states."""
    if not card.is_file():
        return None
    front = re.match(r"---\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    stated = re.search(r"^license:\s*(\S.*?)\s*$", front[1], re.MULTILINE) if front else None
    return stated[1].strip("'\"") if stated else None
