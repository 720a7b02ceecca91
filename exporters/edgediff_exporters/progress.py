"""What an export tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

Stage: TypeAlias = Literal[
    "trace", "write", "check", "preview", "calibrate", "quantise", "fix", "convert", "search", "measure"
]


@final
@dataclass(frozen=True, slots=True)
class ExportProgress:
    """A step of an export.

    Attributes:
        component: The component it works on; what it draws where it works on the whole (``calibrate``, ``measure``).
        stage: What it does with it.
        done: Work done, in the stage's own unit (bytes for ``write``, else parts of the stage).
        total: All the work of the stage; the stage is over when ``done`` reaches it.
    """

    component: str
    stage: Stage
    done: int
    total: int


OnProgress: TypeAlias = Callable[[ExportProgress], None]


def ignore(event: ExportProgress) -> None:
    """Nobody watches."""


def told(on_progress: OnProgress, stage: Stage) -> Callable[[str, int, int], None]:
    """What the runtime tells of its own work, as steps of a stage of the export."""
    return lambda what, done, total: on_progress(ExportProgress(what, stage, done, total))
