"""What a target declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

from edgediff_exporters.progress import OnProgress
from edgediff_runtimes.bundle import Manifest

# From the bundle's directory and its manifest, whose graphs are of fixed shapes, to the manifest of what is there then.
Finish: TypeAlias = Callable[[Path, Manifest, OnProgress], Manifest]


def _as_it_is(_folder: Path, manifest: Manifest, _on_progress: OnProgress) -> Manifest:
    return manifest


@final
@dataclass(frozen=True, slots=True)
class Target:
    """A kind of processor that graphs of fixed shapes are written for.

    Attributes:
        name: What a user calls it.
        processor: What it is, for sentences.
        format: The format of its graphs.
        precisions: What its graphs may be in; the first is taken where nothing is asked for.
        verified: How we know that it computes what the processor of a computer does.
        check: Raises ``NotInstalledError`` where what writes its graphs is not installed.
        time_outside: The sines and cosines of a time step are computed by the recipe, and its graphs take them, see
            ``host_time``.
        finish: What is made of the graphs of fixed shapes: files that the target reads.
    """

    name: str
    processor: str
    format: str
    precisions: tuple[str, ...]
    verified: str
    check: Callable[[], None] = lambda: None
    time_outside: bool = False
    finish: Finish = _as_it_is
