"""A bundle's quality as tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence

import click

from edgediff.cli.tables import print_table
from edgediff_runtimes.bundle import ComponentQuality, LevelQuality, QualityReport, Search
from edgediff_runtimes.plain import readable_bytes


def print_quality(report: QualityReport) -> None:
    """Print the figures of the whole, of the components, of the task, and of the search."""
    pictures = f"{len(report.pictures)} pictures of {report.width}x{report.height}, {report.steps} steps"
    print_table(
        f"quality against fp32: {pictures}" + (f", guidance {report.guidance:g}" if report.guidance else ""),
        ("figure", "mean", "worst"),
        [
            ("PSNR", f"{report.psnr_db.mean:.2f} dB", f"{report.psnr_db.worst:.2f} dB"),
            ("SSIM", f"{report.ssim.mean:.4f}", f"{report.ssim.worst:.4f}"),
        ],
    )
    threads = "" if report.threads is None else f", {report.threads} threads"
    print_table(
        f"components on fp32's inputs, on {report.engine} {report.engine_version}, {report.device}{threads}",
        ("component", "computed in", "SNR", "high noise", "middle", "low noise", "PSNR alone", "SSIM alone"),
        [
            (role, _computed_in(part), _db(part.snr_db), *_levels(part.levels), *_alone(part))
            for role, part in report.components.items()
        ],
    )
    if report.latency_ratio is not None:
        click.echo(f"time of a call of the network: {report.latency_ratio:.2f} of fp32's")
    if report.task_metric is not None:
        metric = report.task_metric
        click.echo(f"{metric.name}: {metric.value:.4f}, fp32 {metric.fp32:.4f}")
    if report.search is not None:
        _print_search(report.search)


def _print_search(search: Search) -> None:
    print_table(
        "search for a mixed precision",
        ("", "layers lifted", "size", "PSNR", "SSIM", "latency over fp32"),
        [
            (
                "chosen" if index == search.chosen else "",
                len(point.lifted),
                readable_bytes(point.bytes),
                _db(point.psnr_db),
                f"{point.ssim:.4f}",
                "-" if point.latency_ratio is None else f"{point.latency_ratio:.2f}",
            )
            for index, point in enumerate(search.points)
        ],
    )


def _computed_in(part: ComponentQuality) -> str:
    return part.execution if not part.rescued else f"{part.execution}, {part.rescued} calls again in f32"


def _levels(levels: Sequence[LevelQuality]) -> tuple[str, ...]:
    """The noisiest level, the middle one, and the one of least noise."""
    if not levels:
        return "-", "-", "-"
    return tuple(_db(levels[index].snr_db) for index in (0, len(levels) // 2, -1))


def _alone(part: ComponentQuality) -> tuple[str, str]:
    return ("-", "-") if part.alone is None else (_db(part.alone.psnr_db), f"{part.alone.ssim:.4f}")


def _db(value: float) -> str:
    return f"{value:.1f} dB"
