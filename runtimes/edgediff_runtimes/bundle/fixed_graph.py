"""A graph of a component for inputs of one length along every axis, as processors of neural networks want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from edgediff_runtimes.bundle.file_entry import FileEntry
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.untrusted.bounds import SIDE


@final
@dataclass(frozen=True, slots=True)
class Package:
    """What a target reads in place of a graph: a directory beside it, of the graph's name with another ending.

    Attributes:
        files: Its files.
        error: max |package - module| / max |module| over all outputs, computed without the target; None where it was
            not.
    """

    files: tuple[FileEntry, ...]
    error: float | None = None

    @classmethod
    def read(cls, fields: Fields, *, graph: str) -> Package:
        """Read the package of a graph; its files lie in one directory of that name."""
        files = tuple(FileEntry.read(item) for item in fields.objects("files"))
        beside, depth = f"{graph.rpartition('.')[0]}.", graph.count("/") + 1
        directories = {"/".join(entry.path.split("/")[:depth]) for entry in files}
        if len(directories) != 1 or not all(
            entry.path.startswith(beside) and entry.path.count("/") >= depth for entry in files
        ):
            raise fields.fail("files", f"files in a directory `{beside}…` beside the graph")
        return cls(files, fields.optional_number("error"))


@final
@dataclass(frozen=True, slots=True)
class FixedGraph:
    """One graph of a component that has several.

    Attributes:
        file: Its path inside the bundle, which is among those of the component.
        axes: The length of every axis that has a name in the component's inputs.
        package: What the bundle's target reads in its place; None: the graph itself.
    """

    file: str
    axes: dict[str, int]
    package: Package | None = None

    @classmethod
    def read(cls, fields: Fields) -> FixedGraph:
        """Read one graph; every length is at least 1."""
        axes = fields.fields("axes")
        lengths = {name: axes.integer(name, minimum=1, bound=SIDE) for name in axes.values}
        file, given = fields.string("file"), fields.values.get("package")
        package = None if given is None else Package.read(fields.fields("package"), graph=file)
        return cls(file, lengths, package)
