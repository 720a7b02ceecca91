"""Whole pictures worked out from what was measured: every candidate for a plan, with its time, memory and quality."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from edgediff.planning.figures import Figures
from edgediff.planning.knobs import Values
from edgediff_runtimes.bundle import QualityReport
from edgediff_runtimes.placement import ByRole
from edgediff_runtimes.quality.measures import MAX_DB


@final
@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that a plan could be.

    Attributes:
        bundle: Its bundle's name in this plan.
        engine: Names of its engines.
        device: Names of its devices.
        execution: What floats are computed in, as it was asked for; None: as exported.
        values: Of all knobs.
        time_s: Of a picture, from a pipeline that has loaded nothing; the engine has what it keeps of the graphs.
        first_time_s: Of the very first picture on a machine, where the engine compiles and keeps graphs; else None.
        next_time_s: Of a further picture of the same pipeline.
        memory_bytes: Private memory at the peak; None where it is not known.
        psnr_db: Of the pictures against fp32's, in dB; ``MAX_DB`` where nothing is rounded; None where it was
            not measured.
        unproven: Why it was not measured; None where it was.
        settings: What ``edgediff.load`` and a call take to draw so.
    """

    bundle: str
    engine: str
    device: str
    execution: ByRole[str | None]
    values: Values
    time_s: float
    first_time_s: float | None
    next_time_s: float
    memory_bytes: int | None
    psnr_db: float | None
    unproven: str | None
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def place(self) -> Values:
        """All that was chosen of it, by name: what two candidates differ by."""
        where = {"bundle": self.bundle, "engine": self.engine, "device": self.device, "execution": self.execution}
        return {**where, **self.values}


def seconds_of_steps(figures: Figures, *, steps: int, calls: float = 1.0) -> float:
    """All steps of a run.

    Args:
        figures: What was measured.
        steps: How many there are.
        calls: Share of the later steps in which the network is called; the others cost our own work.
    """
    network = max(figures.step_s - figures.own_step_s, 0.0)
    return figures.first_step_s + (steps - 1) * (figures.step_s - network * (1 - calls))


def quality_of(
    quality: QualityReport | None, precisions: Mapping[str, str], executions: Mapping[str, str]
) -> tuple[float | None, str | None]:
    """What is known of how near pictures are to fp32's, and why it is not.

    Args:
        quality: The manifest's.
        precisions: Of each component that draws.
        executions: What the floats of each were computed in.

    Returns:
        Mean PSNR in dB, ``MAX_DB`` for what is fp32 and computed in f32, or None with the reason.
    """
    if {*precisions.values()} == {"fp32"} and {*executions.values()} == {"f32"}:
        return MAX_DB, None
    if quality is None:
        return None, "its manifest claims no quality"
    for role, execution in executions.items():
        claimed = quality.components.get(role)
        if claimed is not None and claimed.execution != execution:
            reason = (
                f"its quality was measured with `{role}` computed in {claimed.execution}, and here it is {execution}"
            )
            return None, reason
    return quality.psnr_db.mean, None


def together(*figures_db: float | None) -> float | None:
    """The PSNR of several errors at a time, taken as independent of each other; None where one is not known."""
    known = [db for db in figures_db if db is not None]
    if len(known) < len(figures_db):
        return None
    return min(-10 * math.log10(sum(10 ** (-db / 10) for db in known)), MAX_DB)
