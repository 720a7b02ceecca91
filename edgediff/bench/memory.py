"""Memory of a process as the operating system counts it; None where the system does not tell.

Linux tells everything in ``/proc``. Elsewhere only a process itself learns its peak, over its whole life.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import final

_PROC = Path("/proc")
_RESET_PEAK = "5"  # what the kernel takes as "start the high-water mark again"; see proc_pid_clear_refs(5)


@final
@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a process at one moment.

    Attributes:
        resident: In memory, pages of mapped files included.
        anonymous: Resident and belonging to no file: what the system cannot drop.
        peak: The kernel's high-water mark of ``resident``.
    """

    resident: int
    anonymous: int
    peak: int


def memory_of(pid: int | str = "self") -> Memory | None:
    """The memory of a process now, or None where it cannot be read (also when the process is gone)."""
    try:
        text = (_PROC / str(pid) / "status").read_text(encoding="utf-8")
    except OSError:
        return None
    kilobytes = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "RssAnon", "VmHWM"):
            kilobytes[name] = int(value.split()[0]) * 1024
    if len(kilobytes) < 3:  # noqa: PLR2004 - a process that has ended keeps its status for a moment, without these three
        return None
    return Memory(kilobytes["VmRSS"], kilobytes["RssAnon"], kilobytes["VmHWM"])


def reset_peak() -> bool:
    """Start this process's high-water mark again; whether the system could."""
    try:
        (_PROC / "self" / "clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


def lifetime_peak() -> int | None:
    """Largest resident bytes of this process since it began, where ``/proc`` is missing but POSIX is there."""
    try:
        import resource  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return None
    units = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * units


def disk_read_bytes() -> int | None:
    """Bytes that storage had to deliver for this process so far; what the page cache had is not among them."""
    try:
        text = (_PROC / "self" / "io").read_text(encoding="utf-8")
    except OSError:
        return None
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("read_bytes")), None)
