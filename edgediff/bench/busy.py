"""How busy the machine was with other things: a figure from a busy machine is no figure of the bundle."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

_STAT = Path("/proc/stat")
# Of the first line: user, nice, system, idle, iowait, irq, softirq, steal. Guests' time is in user and nice already.
_IDLE, _COUNTED = (3, 4), 8


@final
@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Seconds of processor time since some moment.

    Attributes:
        all: Of the whole machine, idle time too.
        busy: Of these, not idle; under a hypervisor with what its host took away.
        own: Of this process and of its children that have ended.
    """

    all: float
    busy: float
    own: float


def processor_time() -> ProcessorTime | None:
    """The counters now, or None where the system does not tell them (all but Linux)."""
    try:
        first = _STAT.read_text(encoding="ascii").partition("\n")[0].split()
        ticks = [int(count) / os.sysconf("SC_CLK_TCK") for count in first[1 : 1 + _COUNTED]]
    except (OSError, ValueError):
        return None
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return ProcessorTime(sum(ticks), sum(ticks) - sum(ticks[place] for place in _IDLE), own)


def others_share(before: ProcessorTime | None, after: ProcessorTime | None) -> float | None:
    """The part, 0 to 1, of the machine's processors that others took in between; None where it is not known."""
    if before is None or after is None or after.all <= before.all:
        return None
    others = (after.busy - before.busy) - (after.own - before.own)
    return min(1.0, max(0.0, others / (after.all - before.all)))
