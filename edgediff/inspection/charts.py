"""Which charts a bundle's quality gives. They show the manifest's figures; nothing is measured."""

from __future__ import annotations

from collections.abc import Iterator

from edgediff.svg import Points, Series, bars, lines
from edgediff_runtimes.bundle import QualityReport, Search
from edgediff_runtimes.quality.measures import MAX_DB

_PEAK = 255


def charts(report: QualityReport) -> list[str]:
    """Every chart that the report has figures for, as SVG."""
    return [
        _over_noise(report),
        *_attribution(report),
        *([] if report.search is None else _trade_off(report.search)),
    ]


def _over_noise(report: QualityReport) -> str:
    """A line for each network; components that know no noise level are level lines from end to end."""
    steps = [level.timestep for part in report.components.values() for level in part.levels] or [0.0, 1.0]
    series = []
    for role, part in report.components.items():
        points: Points = [(level.timestep, max(level.snr_db, 0.0)) for level in reversed(part.levels)]
        if points:
            series.append(Series(role, points, dots=True))
        else:
            flat = max(part.snr_db, 0.0)
            series.append(Series(f"{role} (no noise level)", [(min(steps), flat), (max(steps), flat)]))
    title = "Error of each component on fp32's inputs: SNR against noise level (higher is better)"
    return lines(title, series, x_label="time step: noisier to the right", y_label="SNR in dB")


def _attribution(report: QualityReport) -> Iterator[str]:
    """Errors as root mean squares, which are the longer the worse; 120 dB is none."""
    alone = {role: part.alone.psnr_db for role, part in report.components.items() if part.alone is not None}
    if alone:
        errors = {**{f"{role} alone": psnr for role, psnr in alone.items()}, "the whole bundle": report.psnr_db.mean}
        rows = [(what, [("error", _root_mean_square(psnr))]) for what, psnr in errors.items()]
        yield bars("What each component costs: error of the pictures against fp32's", rows, unit="of 255 (RMS)")


def _root_mean_square(psnr_db: float) -> float:
    """The error in 8-bit levels that a mean PSNR stands for."""
    return 0.0 if psnr_db >= MAX_DB else _PEAK * 10 ** (-psnr_db / 20)


def _trade_off(search: Search) -> Iterator[str]:
    """Quality against size, and against latency where every candidate was timed."""
    chosen = search.points[search.chosen]
    sizes = [(point.bytes / 1e6, point.psnr_db) for point in search.points]
    yield _curve("size", sizes, (chosen.bytes / 1e6, chosen.psnr_db), x_label="graphs and weights in MB")
    timed = [(point.latency_ratio, point.psnr_db) for point in search.points if point.latency_ratio is not None]
    if timed and chosen.latency_ratio is not None:
        at = chosen.latency_ratio, chosen.psnr_db
        yield _curve("latency", timed, at, x_label="time of a call of the network, over fp32's")


def _curve(against: str, points: Points, chosen: tuple[float, float], *, x_label: str) -> str:
    series = [Series("tried", sorted(points), dots=True), Series("chosen", [chosen], dots=True)]
    return lines(f"The search: quality against {against}", series, x_label=x_label, y_label="mean PSNR in dB")
