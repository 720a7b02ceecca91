"""Which of the cases of a report is the fastest that keeps to a memory and a quality."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, final

from edgediff.bench.charts import label
from edgediff.bench.reporting import Report

# A case and one of its works.
_Entry: TypeAlias = tuple[dict[str, Any], dict[str, Any]]


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked of a case.

    Attributes:
        memory: Most bytes that the process may take at its peak, in every round.
        psnr_db: Least mean PSNR against fp32, as the manifest has it.
    """

    memory: int | None = None
    psnr_db: float | None = None

    def asked(self) -> bool:
        """Whether anything is asked for."""
        return self.memory is not None or self.psnr_db is not None


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one work.

    Attributes:
        fastest: What the fastest case and its work are called; None where no case keeps to the limits.
        lines: All of it in sentences.
    """

    fastest: str | None
    lines: tuple[str, ...]


def verdicts(report: Report, limits: Limits) -> list[Verdict]:
    """One verdict for each work that was measured; where each bundle has its own settings, the lines say what differs.

    A case whose memory or quality is not known does not keep to a limit of it; fp32 as exported has no loss.
    """
    return [
        _verdict([(case, case["works"][index]) for case in report["cases"]], limits)
        for index, _ in enumerate(report["cases"][0]["works"])
        if any(case["works"][index]["summary"] for case in report["cases"])
    ]


def _verdict(entries: list[_Entry], limits: Limits) -> Verdict:
    measured = [(case, work) for case, work in entries if work["summary"]]
    reasons = {id(work): ", ".join(_reasons(case, work, limits)) for case, work in measured}
    fitting = sorted((entry for entry in measured if not reasons[id(entry[1])]), key=lambda it: _seconds(it[1]))
    left_out = [f"left out: {label(case, work)}: {why}" for case, work in measured if (why := reasons[id(work)])]
    if not fitting:
        return Verdict(None, ("none keeps to what was asked", *left_out))
    case, work = fitting[0]
    lines = [f"fastest: {label(case, work)}: {_described(case, work)}"]
    lines += [_behind(entry, fitting[0]) for entry in fitting[1:]]
    if differing := _differing(measured):
        lines.append(f"these are not the same work: the cases differ in {', '.join(differing)}")
    return Verdict(label(case, work), (*lines, *left_out))


def _differing(measured: list[_Entry]) -> list[str]:
    """The settings that are not the same in all cases."""
    works = [work["work"] for _, work in measured]
    names = dict.fromkeys(name for work in works for name in work)
    return [name for name in names if any(work.get(name) != works[0].get(name) for work in works)]


def _reasons(case: dict[str, Any], work: dict[str, Any], limits: Limits) -> Iterator[str]:
    """Why a case does not keep to the limits."""
    if limits.memory is not None:
        peak = work["summary"]["peak_rss_bytes"]
        if peak is None:
            yield "its memory is not known"
        elif peak["max"] > limits.memory:
            yield f"{_size(peak['max'])} of memory, at most {_size(limits.memory)} asked"
    if limits.psnr_db is not None:
        psnr = _psnr(case)
        if psnr is None:
            yield "its quality was not measured"
        elif psnr < limits.psnr_db:
            yield f"{psnr:.1f} dB, at least {limits.psnr_db:g} dB asked"


def _behind(entry: _Entry, fastest: _Entry) -> str:
    """How far a case is behind the fastest, and whether the rounds show it."""
    case, work = entry
    times, best = work["summary"]["total_s"], fastest[1]["summary"]["total_s"]
    ratios = [
        one["total_s"] / other["total_s"]
        for one, other in zip(work["rounds"], fastest[1]["rounds"], strict=False)
        if other["total_s"] > 0
    ]
    shown = len(ratios) > 1 and min(ratios) > 1
    text = f"{label(case, work)}: {_described(case, work)}, {times['median'] / best['median']:.2f} times as long"
    return text if shown else f"{text}, which {len(ratios)} rounds do not show for certain"


def _described(case: dict[str, Any], work: dict[str, Any]) -> str:
    summary, psnr = work["summary"], _psnr(case)
    peak = summary["peak_rss_bytes"]
    parts = [
        f"{summary['total_s']['median']:.3g} s a run",
        "memory not known" if peak is None else f"{_size(peak['max'])} at most",
        "quality not measured" if psnr is None else "fp32" if math.isinf(psnr) else f"{psnr:.1f} dB",
    ]
    return ", ".join(parts)


def _psnr(case: dict[str, Any]) -> float | None:
    """Mean PSNR against fp32; infinite for what is fp32, computed in f32; None where nobody measured."""
    if case["quality"] is not None:
        return float(case["quality"]["psnr_db"]["mean"])
    exact = {*case["precision"].values()} == {"fp32"} and {*case["execution"].values()} == {"f32"}
    return math.inf if exact else None


def _seconds(work: dict[str, Any]) -> float:
    return float(work["summary"]["total_s"]["median"])


def _size(count: float) -> str:
    return f"{count / 1e6:.0f} MB"
