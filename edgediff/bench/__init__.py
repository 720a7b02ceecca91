"""What a bundle costs on this device: time, memory, energy and the distance to the machine's limit.

Every figure is taken in a process of its own and watched by the operating system's own accounts; ``docs/bench.md``
says what each one means.
"""

from __future__ import annotations

from edgediff.bench.comparing import compare, differing_conditions
from edgediff.bench.measuring import Progress, bench
from edgediff.bench.page import write_page, write_plot
from edgediff.bench.reporting import read_report, write_json
from edgediff.bench.request import Request

__all__ = [
    "Progress",
    "Request",
    "bench",
    "compare",
    "differing_conditions",
    "read_report",
    "write_json",
    "write_page",
    "write_plot",
]
