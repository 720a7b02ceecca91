"""The proof: what a manifest claims of its bundle's quality, held against what was measured again.

What is measured again on the same machine with the same engine is the same. Another engine, another processor,
``low_memory`` or, in OpenVINO, another number of threads add and round in another order, which moves a picture this way
or that, and a mean of n pictures about sqrt(n) times less. ``docs/quality.md`` has what was seen; the tolerances below
are more. A figure better than claimed is no fault.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import final

from edgediff_runtimes.bundle import QualityReport
from edgediff_runtimes.errors import ManifestError, VerificationError
from edgediff_runtimes.quality.measures import MAX_DB
from edgediff_runtimes.quality.reference import Reference

SNR_DB = 0.5
PICTURE_DB, PICTURE_SSIM = 3.0, 0.01
# Where fp32 itself, computed by another engine, is so far from fp32, more cannot be told from rounding: a claim of more
# is held to this much.
CEILING_DB = 60.0
# Half precision has 11 bits (bfloat16 8), and another processor rounds elsewhere: fp16 graphs, whose claims of a
# CPU's are 63 dB and more, were 44 to 70 dB from fp32 on Qualcomm's emulator, and 47 to 52 in WebGPU.
HALF_CEILING_DB = 40.0


@final
@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a report.

    Attributes:
        name: What it is.
        claimed: What the manifest says.
        measured: What was measured again.
        tolerance: How much less than claimed is no fault.
        unit: ``dB``, or nothing.
        summary: Whether it speaks of the whole or of a component; else of one picture or noise level.
        ceiling: What a claim of more is held to, in dB.
    """

    name: str
    claimed: float
    measured: float
    tolerance: float
    unit: str = ""
    summary: bool = False
    ceiling: float = CEILING_DB

    @property
    def least(self) -> float:
        """What must be measured for the claim to hold."""
        claimed = min(self.claimed, self.ceiling) if self.unit else self.claimed
        return claimed - self.tolerance

    def text(self, value: float) -> str:
        """A value in the figure's unit."""
        return f"{value:.2f} {self.unit}" if self.unit else f"{value:.4f}"


def check_record(claimed: QualityReport, reference: Reference) -> None:
    """Check that a claim is about the pictures of the record that the bundle carries.

    Raises:
        ManifestError: Prompts, seeds, steps, guidance, size or components are not the record's.
    """
    facts: dict[str, tuple[object, object]] = {
        "steps": (claimed.steps, reference.steps),
        "guidance": (claimed.guidance, reference.guidance),
        "width": (claimed.width, reference.width),
        "height": (claimed.height, reference.height),
        "components": (sorted(claimed.components), sorted({probe.role for probe in reference.probes})),
        "pictures": (len(claimed.pictures), len(reference.prompts)),
    }
    pairs = zip(claimed.pictures, reference.prompts, reference.seeds, strict=False)  # their number is compared above
    for index, (picture, prompt, seed) in enumerate(pairs):
        facts[f"pictures[{index}].prompt"] = picture.prompt, prompt
        facts[f"pictures[{index}].seed"] = picture.seed, seed
    for name, (said, recorded) in facts.items():
        if said != recorded:
            raise ManifestError(f"quality.{name}", got=said, expected=f"{recorded!r}, as the bundle's record has it")


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
    return held(_figures(claimed, measured))


def held(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    """All figures, none of which is worse than its claim by more than its tolerance.

    Raises:
        VerificationError: One is.
    """
    found = tuple(figures)
    for figure in found:
        if figure.measured < figure.least:
            said, got, least = map(figure.text, (figure.claimed, figure.measured, figure.least))
            raise VerificationError(figure.name, claimed=said, measured=got, least=least)
    return found


def _figures(claimed: QualityReport, measured: QualityReport) -> Iterator[Figure]:
    psnr, ssim = (claimed.psnr_db, measured.psnr_db), (claimed.ssim, measured.ssim)
    mean_db, mean_ssim = (most / math.sqrt(len(claimed.pictures)) for most in (PICTURE_DB, PICTURE_SSIM))
    whole = min((_ceiling(claimed, measured, role) for role in claimed.components), default=CEILING_DB)
    yield Figure("mean PSNR", psnr[0].mean, psnr[1].mean, mean_db, "dB", summary=True, ceiling=whole)
    yield Figure("worst PSNR", psnr[0].worst, psnr[1].worst, PICTURE_DB, "dB", summary=True, ceiling=whole)
    yield Figure("mean SSIM", ssim[0].mean, ssim[1].mean, mean_ssim, summary=True)
    yield Figure("worst SSIM", ssim[0].worst, ssim[1].worst, PICTURE_SSIM, summary=True)
    for role, component in claimed.components.items():
        again, most = measured.components[role], _ceiling(claimed, measured, role)
        yield Figure(f"SNR of `{role}`", component.snr_db, again.snr_db, SNR_DB, "dB", summary=True, ceiling=most)
        levels = {level.timestep: level.snr_db for level in again.levels}
        for level in component.levels:
            name = f"SNR of `{role}` at time step {level.timestep:g}"
            # A level that the record does not have holds no claim.
            yield Figure(name, level.snr_db, levels.get(level.timestep, -MAX_DB), SNR_DB, "dB", ceiling=most)
    for said, got in zip(claimed.pictures, measured.pictures, strict=True):
        what = f'of the picture "{said.prompt}"'
        yield Figure(f"PSNR {what}", said.psnr_db, got.psnr_db, PICTURE_DB, "dB", ceiling=whole)
        yield Figure(f"SSIM {what}", said.ssim, got.ssim, PICTURE_SSIM)


def _ceiling(claimed: QualityReport, measured: QualityReport, role: str) -> float:
    """What a claim of more is held to where a component was computed again in half precision, and elsewhere."""
    elsewhere = (claimed.engine, claimed.device) != (measured.engine, measured.device)
    return HALF_CEILING_DB if elsewhere and measured.components[role].execution != "f32" else CEILING_DB
