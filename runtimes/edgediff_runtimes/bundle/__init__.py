"""Bundles: the directory that an export writes and a run reads. Specified in ``docs/bundle-format.md``."""

from edgediff_runtimes.bundle.bundle import Bundle, sha256_of
from edgediff_runtimes.bundle.manifest import (
    MANIFEST_NAME,
    Check,
    Component,
    Defaults,
    FileEntry,
    Latents,
    Manifest,
    Provenance,
    Tokenizer,
)

__all__ = [
    "MANIFEST_NAME",
    "Bundle",
    "Check",
    "Component",
    "Defaults",
    "FileEntry",
    "Latents",
    "Manifest",
    "Provenance",
    "Tokenizer",
    "sha256_of",
]
