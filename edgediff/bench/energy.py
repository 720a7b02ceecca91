"""Energy as the processor counts it (Running Average Power Limit), where the operating system lets us read it."""

from __future__ import annotations

from pathlib import Path

_POWERCAP = Path("/sys/class/powercap")
_PER_JOULE = 1_000_000


def read_counters(root: Path = _POWERCAP) -> dict[str, int]:
    """Microjoules of every processor package by the counter's name; empty where there is none that may be read.

    Only whole packages (``intel-rapl:0``, not ``intel-rapl:0:1``): the others are parts of them.
    """
    counters = {}
    for zone in sorted(root.glob("*-rapl:*")):
        if zone.name.count(":") == 1:
            value = _integer(zone / "energy_uj")
            if value is not None:
                counters[zone.name] = value
    return counters


def joules_between(before: dict[str, int], after: dict[str, int], root: Path = _POWERCAP) -> float | None:
    """Joules that the packages took between two readings, whatever ran on them; None without counters.

    A counter that passed its largest value once starts again at zero; that is made good.
    """
    if not before or before.keys() != after.keys():
        return None
    total = 0
    for name, start in before.items():
        difference = after[name] - start
        if difference < 0:
            difference += _integer(root / name / "max_energy_range_uj") or 0
        total += difference
    return total / _PER_JOULE


def _integer(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
