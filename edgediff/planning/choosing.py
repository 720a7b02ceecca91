"""The choice: from candidates and a budget to a plan, to what was rejected and why, and to what each setting does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

from edgediff.planning.budget import Budget
from edgediff.planning.candidates import Candidate
from edgediff_runtimes.plain import readable_bytes, readable_seconds
from edgediff_runtimes.quality.claims import CEILING_DB

# What a dB asked for and not had weighs beside memory and time that are too much: 6 dB are a factor of two.
_DB_OF_TWO = 20 * math.log10(2)
_ALIKE = 1.1


@final
@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that was not chosen, and why; ``fits`` says whether it keeps to the budget."""

    candidate: Candidate
    fits: bool
    reason: str


@final
@dataclass(frozen=True, slots=True)
class Trade:
    """What a setting of the plan does: the same plan with that one setting at another value.

    Attributes:
        name: The setting.
        chosen: Its value in the plan.
        other: Another value.
        time_s: How much longer a picture takes with the chosen one.
        next_time_s: Likewise of a further picture.
        memory_bytes: How much more memory it takes; None where one is not known.
        psnr_db: How much nearer to fp32 its pictures are; None where one is not known or both are alike.
    """

    name: str
    chosen: Any
    other: Any
    time_s: float
    next_time_s: float
    memory_bytes: int | None
    psnr_db: float | None


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    Attributes:
        plan: The candidate that is best among those that keep to the budget; the nearest to it where none does.
        fits: Whether it keeps to the budget.
        excess: Why not, in words; empty where it does.
        rejected: All others, those that keep to the budget first, the best of them first.
        trades: What each setting of the plan does.
    """

    plan: Candidate
    fits: bool
    excess: str
    rejected: tuple[Rejected, ...]
    trades: tuple[Trade, ...]


def choose(candidates: Sequence[Candidate], budget: Budget) -> Choice:
    """Choose among at least one candidate."""
    ordered = sorted(candidates, key=lambda one: _order(one, budget))
    fitting = [one for one in ordered if not _faults(one, budget)]
    plan = fitting[0] if fitting else min(ordered, key=lambda one: _distance(one, budget))
    rejected = [Rejected(one, fits=True, reason=_worse(one, plan)) for one in fitting if one is not plan]
    rejected += [
        Rejected(one, fits=False, reason=", ".join(_faults(one, budget)))
        for one in ordered
        if one is not plan and _faults(one, budget)
    ]
    return Choice(
        plan=plan,
        fits=bool(fitting),
        excess=", ".join(_faults(plan, budget)),
        rejected=tuple(rejected),
        trades=tuple(_trades(plan, ordered)),
    )


def _order(one: Candidate, budget: Budget) -> tuple[float, ...]:
    """The best first: by what is preferred, then by the others; of those that are alike, the next picture decides."""
    keys = {
        "quality": (-_level(one.psnr_db),),
        "time": (_class(one.time_s), _class(one.next_time_s)),
        "memory": (math.inf if one.memory_bytes is None else _class(one.memory_bytes),),
    }
    first = keys.pop(budget.prefer)
    exact = one.time_s, one.next_time_s
    return *first, *(number for key in keys.values() for number in key), *exact


def _class(amount: float) -> float:
    """Amounts that differ by less than about a tenth are mostly alike: a measurement does not tell them apart."""
    return float(round(math.log(amount) / math.log(_ALIKE)))


def _level(psnr_db: float | None) -> float:
    """Quality in whole dB; what is not known is below all, and from the ceiling on rounding hides what is better."""
    return -math.inf if psnr_db is None else float(round(min(psnr_db, CEILING_DB)))


def _faults(one: Candidate, budget: Budget) -> list[str]:
    """In what a candidate does not keep to a budget, in words."""
    found = []
    if budget.memory is not None:
        if one.memory_bytes is None:
            found.append("its memory is not known")
        elif one.memory_bytes > budget.memory:
            found.append(f"{readable_bytes(one.memory_bytes)} of memory, at most {readable_bytes(budget.memory)} asked")
    if budget.latency is not None and one.time_s > budget.latency:
        found.append(f"{readable_seconds(one.time_s)}, at most {readable_seconds(budget.latency)} asked")
    if budget.min_psnr is not None:
        if one.psnr_db is None:
            found.append(f"quality not proven ({one.unproven})")
        elif one.psnr_db < budget.min_psnr:
            found.append(f"{one.psnr_db:.1f} dB, at least {budget.min_psnr:g} dB asked")
    return found


def _distance(one: Candidate, budget: Budget) -> tuple[float, ...]:
    """How far a candidate is from a budget: the largest factor by which a limit is missed, then all of them."""
    factors = [1.0]
    if budget.memory is not None:
        factors.append(math.inf if one.memory_bytes is None else one.memory_bytes / budget.memory)
    if budget.latency is not None:
        factors.append(one.time_s / budget.latency)
    if budget.min_psnr is not None:
        missing = math.inf if one.psnr_db is None else budget.min_psnr - one.psnr_db
        factors.append(2 ** (missing / _DB_OF_TWO) if missing < math.inf else math.inf)
    missed = [max(factor, 1.0) for factor in factors]
    return max(missed), math.prod(missed), *_order(one, budget)


def _worse(one: Candidate, plan: Candidate) -> str:
    """Why a candidate that keeps to the budget is not the plan."""
    parts = []
    if one.time_s > plan.time_s:
        parts.append(f"{one.time_s / plan.time_s:.2f} times as long")
    if one.memory_bytes is not None and plan.memory_bytes is not None and one.memory_bytes > plan.memory_bytes:
        parts.append(f"{one.memory_bytes / plan.memory_bytes:.2f} times the memory")
    if _level(one.psnr_db) < _level(plan.psnr_db):
        parts.append("quality not proven" if one.psnr_db is None else f"{one.psnr_db:.1f} dB")
    return ", ".join(parts) or "no better in what is preferred"


def _trades(plan: Candidate, candidates: Sequence[Candidate]) -> Iterator[Trade]:
    """For each setting, the others of its values with which nothing else is another."""
    place = plan.place
    for other in candidates:
        differing = [name for name, value in other.place.items() if value != place[name]]
        if len(differing) != 1:
            continue
        known = plan.memory_bytes is not None and other.memory_bytes is not None
        exact = plan.psnr_db == other.psnr_db
        yield Trade(
            name=differing[0],
            chosen=place[differing[0]],
            other=other.place[differing[0]],
            time_s=plan.time_s - other.time_s,
            next_time_s=plan.next_time_s - other.next_time_s,
            memory_bytes=(plan.memory_bytes or 0) - (other.memory_bytes or 0) if known else None,
            psnr_db=None if exact or plan.psnr_db is None or other.psnr_db is None else plan.psnr_db - other.psnr_db,
        )
