"""A plan as a picture: time against memory, quality as colour."""

from __future__ import annotations

from edgediff.planning.candidates import Candidate
from edgediff.planning.plan import Plan, described, quality
from edgediff.svg import Mark, Series, dots, stacked
from edgediff_runtimes.plain import readable_bytes
from edgediff_runtimes.quality.claims import CEILING_DB

# Quality in classes: what it is called, from which dB on, and its colour's number.
_CLASSES = (
    (f"{CEILING_DB:.0f} dB or more, or as fp32", CEILING_DB, 2),
    ("45 dB or more", 45.0, 0),
    ("35 dB or more", 35.0, 1),
    ("less", -float("inf"), 5),
)
_NOT_PROVEN = ("not proven", 4)
_GIGA = 1e9
_NEAR = 1.5  # a limit further off than this many times the largest figure would leave no room for the figures


def plan_picture(plan: Plan) -> str:
    """The SVG, one file that needs nothing beside itself; candidates whose memory is not known are left out."""
    known = [one for one in plan.candidates if one.memory_bytes is not None]
    unit, size = ("GB", _GIGA) if any((one.memory_bytes or 0) >= _GIGA for one in known) else ("MB", 1e6)
    rows = [(name, colour, [one for one in known if _class_of(one) == name]) for name, _, colour in _CLASSES]
    rows.append((*_NOT_PROVEN, [one for one in known if one.psnr_db is None]))
    drawn = [row for row in rows if row[2]]
    series = [
        Series(
            name,
            [(one.time_s, (one.memory_bytes or 0) / size) for one in those],
            names=[f"{described(one)}, {quality(one)}" for one in those],
        )
        for name, _, those in drawn
    ]
    chosen, budget = plan.choice.plan, plan.budget
    marks = []
    across, upwards = "seconds of a picture, loading included", f"private memory in {unit}"
    if budget.latency is not None:
        across += f"; at most {budget.latency:g} s asked"
        if budget.latency <= _NEAR * max((one.time_s for one in known), default=0.0):
            marks.append(Mark("asked", x=budget.latency))
    if budget.memory is not None:
        upwards += f"; at most {readable_bytes(budget.memory)} asked"
        if budget.memory <= _NEAR * max((one.memory_bytes or 0 for one in known), default=0):
            marks.append(Mark("asked", y=budget.memory / size))
    if chosen.memory_bytes is not None:
        word = "the plan" if plan.choice.fits else "nearest"
        marks.append(Mark(f"{word}: {described(chosen)}", x=chosen.time_s, y=chosen.memory_bytes / size))
    figure = dots(
        "A picture on this machine: time, memory, and quality against fp32",
        series,
        x_label=across,
        y_label=upwards,
        colours=[colour for _, colour, _ in drawn],
        marks=marks,
    )
    return stacked([figure])


def _class_of(one: Candidate) -> str | None:
    if one.psnr_db is None:
        return None
    return next(name for name, least, _ in _CLASSES if one.psnr_db >= least)
