"""A bundle on disk: opened, checked, and turned into the graphs an engine loads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from edgediff_runtimes.bundle.derived import derive_manifest
from edgediff_runtimes.bundle.file_entry import FileEntry
from edgediff_runtimes.bundle.manifest import MANIFEST_NAME, Manifest
from edgediff_runtimes.engines.base import Graph
from edgediff_runtimes.errors import BundleError, BundleNotFoundError, ComponentFileError
from edgediff_runtimes.recipe.wires import check_wires
from edgediff_runtimes.untrusted.bounds import JSON_BYTES
from edgediff_runtimes.untrusted.documents import names_in, read_text, reading
from edgediff_runtimes.untrusted.git_lfs import HINT, PROBLEM, is_pointer
from edgediff_runtimes.untrusted.links import find, is_regular, locate

MODEL_INDEX = "model_index.json"
_HASH_BLOCK_BYTES = 1 << 20


@final
@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle.

    Attributes:
        path: Its directory, absolute.
        manifest: What ``edgediff.json`` says, or what was derived from an optimum directory without one.
        derived: Whether the manifest was derived.
    """

    path: Path
    manifest: Manifest
    derived: bool = False

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Open a bundle and check that every file its manifest names is there, inside, and of the stated length.

        Raises:
            BundleNotFoundError: No bundle there.
            ManifestError: The manifest is not valid.
            RecipeError: Its recipe cannot run with its graphs.
            FormatVersionError: The format is newer than this edgediff.
            UnsafePathError: A path leaves the bundle, also through a symbolic link.
            ComponentFileError: A file is missing, cannot be read, has another length, or is a pointer of git-lfs.
        """
        try:
            root = Path(path).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:  # no such user, links in a circle, a zero byte
            raise BundleNotFoundError(path) from error
        if (manifest := find(root, MANIFEST_NAME)) is not None:
            bundle = cls(root, Manifest.from_json(read_text(manifest, name=MANIFEST_NAME, bound=JSON_BYTES)))
        elif is_regular(root / MODEL_INDEX):
            bundle = cls(root, derive_manifest(root), derived=True)
        else:
            raise BundleNotFoundError(path)
        for entry in bundle.files():
            bundle.check_length(entry)
        for tokenizer in bundle.manifest.tokenizers:
            directory = bundle.locate(tokenizer.path)
            with reading(tokenizer.path):
                there = directory.is_dir()
            if not there:
                raise ComponentFileError(tokenizer.path, "is missing: expected the directory of a tokenizer")
            for name in names_in(directory, name=tokenizer.path):
                bundle.locate(f"{tokenizer.path}/{name}")
        bundle.check_wires()
        return bundle

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with any of the files, and not with what the bundle is tuned for."""
        manifest = replace(self.manifest, reuse=())  # of which a picture carries what it was drawn by
        return hashlib.sha256(manifest.to_json().encode()).hexdigest()[:16]

    def files(self) -> Iterator[FileEntry]:
        """Every file of every component and tokenizer, the card, the vocabulary, and the record of the quality."""
        for component in self.manifest.components.values():
            yield from component.files
            for graph in component.fixed:
                yield from () if graph.package is None else graph.package.files
        for tokenizer in self.manifest.tokenizers:
            yield from tokenizer.files
        if self.manifest.quality is not None:
            yield self.manifest.quality.reference
        provenance = self.manifest.provenance
        yield from (entry for entry in (provenance.card, provenance.vocabulary) if entry is not None)

    def locate(self, relative: str) -> Path:
        """The absolute path of something inside the bundle.

        Raises:
            UnsafePathError: The path is absolute, climbs out, or a symbolic link on it leads out, see
                ``untrusted.links``.
            ComponentFileError: The path cannot be followed.
        """
        return locate(self.path, relative)

    def check_length(self, entry: FileEntry) -> None:
        """Check that a file is there, has the length that its entry states, and is no pointer of git-lfs.

        Raises:
            ComponentFileError: It is not so, or the file cannot be read.
        """
        path = find(self.path, entry.path)
        if path is None:
            raise ComponentFileError(entry.path, f"is missing: expected a file of {entry.bytes:,} bytes")
        with reading(entry.path):
            got, pointer = path.stat().st_size, is_pointer(path)
        if pointer:
            raise ComponentFileError(entry.path, PROBLEM, hint=HINT)
        if got != entry.bytes:
            raise ComponentFileError(entry.path, f"has {got:,} bytes: expected {entry.bytes:,}")

    def check_wires(self) -> None:
        """Check that the recipe can run with the graphs and tokenizers.

        Raises:
            RecipeError: A value has no writer, or a graph or tokenizer is missing or takes something else.
        """
        manifest = self.manifest
        faces = {
            role: ([spec.name for spec in component.inputs], [spec.name for spec in component.outputs])
            for role, component in manifest.components.items()
        }
        check_wires(manifest.recipe, faces, [tokenizer.path for tokenizer in manifest.tokenizers])

    def check_hashes(self) -> None:
        """Read every file whole and compare its SHA-256 with the manifest's.

        Raises:
            ComponentFileError: A file is not the one that was exported.
        """
        for entry in self.files():
            self.check_hash(entry)

    def check_hash(self, entry: FileEntry) -> None:
        """Read a file whole and compare its SHA-256 with its entry's; one without a hash is not read.

        Raises:
            ComponentFileError: The file is not the one that was exported, or cannot be read.
        """
        if entry.sha256 is None:
            return
        with reading(entry.path):
            got = sha256_of(self.locate(entry.path))
        if got != entry.sha256:
            raise ComponentFileError(
                entry.path, f"was altered: its SHA-256 is {got[:12]}…, expected {entry.sha256[:12]}…"
            )

    def graph(self, role: str) -> Graph:
        """The graph of a component, for an engine to load.

        Raises:
            BundleError: The bundle has no such component.
        """
        component = self.manifest.components.get(role)
        if component is None:
            raise BundleError(
                f"the bundle has no component `{role}`: it has {', '.join(sorted(self.manifest.components))}",
                hint="export the model again with that component",
            )
        path = self.locate(component.files[0].path)
        face = component.inputs, component.outputs
        fixed = {self.locate(graph.file): graph.axes for graph in component.fixed}
        return Graph(role, path, component.format, *face, component.precision, component.weights, fixed=fixed)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
