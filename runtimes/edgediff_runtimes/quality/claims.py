"""The proof: what a manifest claims of its bundle's quality, held against what was measured again.

What is measured again on the same machine with the same engine is the same, whatever the number of threads. Another
engine, another processor or ``low_memory`` add and round in another order. ``docs/quality.md`` has what that was seen
to change; the tolerances below are several times as much. A figure better than claimed is no fault.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from edgediff_runtimes.bundle import QualityReport
from edgediff_runtimes.errors import VerificationError
from edgediff_runtimes.quality.reference import Reference

MEAN_DB, PICTURE_DB = 0.5, 3.0
MEAN_SSIM, PICTURE_SSIM = 0.005, 0.03
# Where fp32 itself, computed by another engine, is so far from fp32, more cannot be told from rounding: a claim of more
# is held to this much.
CEILING_DB = 60.0
_LONGEST = 80


@final
@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a report: what it is, what was claimed, what was measured, and how much less is tolerated."""

    name: str
    claimed: float
    measured: float
    tolerance: float
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether what was measured is as good as the claim, but for the tolerance."""
        claimed = min(self.claimed, CEILING_DB) if self.unit else self.claimed
        return self.measured >= claimed - self.tolerance

    def text(self, value: float) -> str:
        """A value in the figure's unit."""
        return f"{value:.2f} {self.unit}" if self.unit else f"{value:.4f}"


def check_record(claimed: QualityReport, reference: Reference) -> None:
    """Check that a claim is about the pictures of the record that the bundle carries.

    Raises:
        VerificationError: Prompts, seeds, steps, guidance, size or components are not the record's.
    """
    facts = {
        "prompts": (tuple(one.prompt for one in claimed.pictures), reference.prompts),
        "seeds": (tuple(one.seed for one in claimed.pictures), reference.seeds),
        "steps": (claimed.steps, reference.steps),
        "a guidance": (claimed.guidance, reference.guidance),
        "a size": ((claimed.width, claimed.height), (reference.width, reference.height)),
        "components": (set(claimed.components), {probe.role for probe in reference.probes}),
    }
    for name, (said, recorded) in facts.items():
        if said != recorded:
            raise VerificationError(
                f"{name} of `quality`", claimed=_short(said), measured=_short(recorded), tolerance="nothing"
            )


def check_claims(claimed: QualityReport, measured: QualityReport) -> tuple[Figure, ...]:
    """Hold every claim against what was measured.

    Not held against anything is what a bundle alone cannot show: what each component costs alone (that takes the fp32
    bundle), the task metric (the task's data) and the search (its candidates).

    Args:
        claimed: The manifest's report.
        measured: The same, measured again with the record.

    Returns:
        Every figure.

    Raises:
        VerificationError: A figure is worse than its claim by more than the tolerance.
    """
    figures = tuple(_figures(claimed, measured))
    for figure in figures:
        if not figure.holds:
            raise VerificationError(
                figure.name,
                claimed=figure.text(figure.claimed),
                measured=figure.text(figure.measured),
                tolerance=figure.text(figure.tolerance),
            )
    return figures


def _figures(claimed: QualityReport, measured: QualityReport) -> Iterator[Figure]:
    yield Figure("a mean PSNR", claimed.psnr_db.mean, measured.psnr_db.mean, MEAN_DB, "dB")
    yield Figure("a mean SSIM", claimed.ssim.mean, measured.ssim.mean, MEAN_SSIM)
    yield Figure("a worst PSNR", claimed.psnr_db.worst, measured.psnr_db.worst, PICTURE_DB, "dB")
    yield Figure("a worst SSIM", claimed.ssim.worst, measured.ssim.worst, PICTURE_SSIM)
    for said, got in zip(claimed.pictures, measured.pictures, strict=True):
        what = f'of the picture "{said.prompt}"'
        yield Figure(f"a PSNR {what}", said.psnr_db, got.psnr_db, PICTURE_DB, "dB")
        yield Figure(f"an SSIM {what}", said.ssim, got.ssim, PICTURE_SSIM)
    for role, component in claimed.components.items():
        again = measured.components[role]
        yield Figure(f"an SNR of `{role}`", component.snr_db, again.snr_db, MEAN_DB, "dB")
        levels = {level.timestep: level.snr_db for level in again.levels}
        for level in component.levels:
            name = f"an SNR of `{role}` at time step {level.timestep:g}"
            # A level that was not measured holds no claim.
            yield Figure(name, level.snr_db, levels.get(level.timestep, -math.inf), MEAN_DB, "dB")


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple | set) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
