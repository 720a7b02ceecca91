"""A plan as rows of tables."""

from __future__ import annotations

from collections.abc import Iterator

from edgediff.planning.candidates import Candidate
from edgediff.planning.choosing import Trade
from edgediff.planning.plan import Plan, described, quality
from edgediff_runtimes.plain import readable_bytes, readable_seconds

COMPONENT_COLUMNS = (
    "component",
    "precision",
    "engine",
    "device",
    "computes in",
    "load",
    "first call",
    "a call",
    "peak",
)
TRADE_COLUMNS = ("setting", "chosen", "in place of", "time", "next picture", "memory", "quality")
CANDIDATE_COLUMNS = ("candidate", "time", "next picture", "memory", "quality", "why not")
_UNKNOWN = "-"
# What a setting that is not given is.
_DEFAULTS = {"execution": "as exported", "decoder": "full", "tile": "whole", "steps": "the bundle's", "reuse": "off"}


def component_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """The components of the plan: how each is computed, and what it costs alone."""
    chosen = plan.choice.plan
    for one in plan.measured:
        if one.variant.name != chosen.bundle or one.variant.case.engine != chosen.engine:
            continue
        case, same = one.variant.case, {**chosen.values, **one.variant.values} == chosen.values
        if not same or case.device != chosen.device or case.asked != chosen.execution:
            continue
        for role, part in one.figures.parts.items():
            yield (
                role,
                chosen.settings["precision"][role],
                case.engines[role].name,
                case.devices[role].name,
                one.figures.executions[role],
                readable_seconds(part.load_s),
                readable_seconds(part.first_call_s),
                readable_seconds(part.call_s),
                _UNKNOWN if part.peak_bytes is None else readable_bytes(part.peak_bytes),
            )


def trade_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """What each setting of the plan buys and costs."""
    for trade in plan.choice.trades:
        yield (
            trade.name.replace("_", " "),
            _value(trade.name, trade.chosen),
            _value(trade.name, trade.other),
            f"{trade.time_s:+.3g} s",
            f"{trade.next_time_s:+.3g} s",
            _bytes_more(trade),
            _UNKNOWN if trade.psnr_db is None else f"{trade.psnr_db:+.1f} dB",
        )


def rejected_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """What was not chosen, and why."""
    for one in plan.choice.rejected:
        yield *candidate_row(one.candidate), one.reason if one.fits else f"over budget: {one.reason}"


def candidate_row(one: Candidate) -> tuple[str, ...]:
    """A candidate with its figures."""
    memory = _UNKNOWN if one.memory_bytes is None else readable_bytes(one.memory_bytes)
    return described(one), readable_seconds(one.time_s), readable_seconds(one.next_time_s), memory, quality(one)


def _value(name: str, value: object) -> str:
    if value is None:
        return _DEFAULTS[name]
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _bytes_more(trade: Trade) -> str:
    if trade.memory_bytes is None:
        return _UNKNOWN
    return ("-" if trade.memory_bytes < 0 else "+") + readable_bytes(abs(trade.memory_bytes))
