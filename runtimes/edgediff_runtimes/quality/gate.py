"""The gate: a bundle that draws worse than was asked for is refused, and the component that is to blame is named."""

from __future__ import annotations

from edgediff_runtimes.bundle import QualityReport
from edgediff_runtimes.errors import QualityError, SettingError
from edgediff_runtimes.plain import as_finite
from edgediff_runtimes.quality.measures import MAX_DB


def check_floors(*, min_psnr: float | None, min_ssim: float | None) -> None:
    """Refuse floors that mean nothing, before hours are spent.

    Raises:
        SettingError: ``min_psnr`` is not between 0 and 120 dB, or ``min_ssim`` not between 0 and 1.
    """
    for name, value, most in (("min_psnr", min_psnr, MAX_DB), ("min_ssim", min_ssim, 1.0)):
        number = None if value is None else as_finite(value)
        if value is not None and (number is None or not 0 <= number <= most):
            raise SettingError(name, got=value, expected=f"a number from 0 to {most:g}")


def gate(
    report: QualityReport, *, min_psnr: float | None = None, min_ssim: float | None = None, finest: str = "fp32"
) -> None:
    """Let a bundle pass whose pictures are near enough to fp32's on average.

    Args:
        report: What was measured, with what each component costs alone where that was measured.
        min_psnr: Least mean PSNR over the pictures, in dB; None asks nothing.
        min_ssim: Least mean SSIM over the pictures; None asks nothing.
        finest: The precision to name as one that is nearer to fp32: not every processor takes fp32 itself.

    Raises:
        QualityError: A figure is below its floor.
        SettingError: As ``check_floors``.
    """
    check_floors(min_psnr=min_psnr, min_ssim=min_ssim)
    floors = (
        ("PSNR", report.psnr_db.mean, min_psnr, " dB", ".2f"),
        ("SSIM", report.ssim.mean, min_ssim, "", ".4f"),
    )
    for figure, got, asked, unit, digits in floors:
        if asked is not None and got < asked:
            role, alone = worst_component(report, by=figure)
            cost = f"SNR {report.components[role].snr_db:.1f} dB on fp32's inputs"
            raise QualityError(
                f"mean {figure} against fp32",
                got=f"{got:{digits}}{unit}",
                asked=f"{asked:g}{unit}",
                worst=role,
                cost=cost if alone is None else f"{alone:{digits}}{unit} with it alone",
                finest=finest,
            )


def worst_component(report: QualityReport, *, by: str = "PSNR") -> tuple[str, float | None]:
    """The component that costs most, and the PSNR or SSIM of the pictures with it alone.

    Where what each costs alone was not measured, it is the one of least SNR, and None.
    """
    alone = {
        role: one.alone.psnr_db if by == "PSNR" else one.alone.ssim
        for role, one in report.components.items()
        if one.alone is not None
    }
    if alone:
        return min(alone.items(), key=lambda item: item[1])
    return min(report.components, key=lambda role: report.components[role].snr_db), None
