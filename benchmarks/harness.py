"""What every experiment here shares: a child process with its memory watched, medians, the machine, stored results."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, final

from edgediff.bench.watch import watch

RESULTS = Path(__file__).parent / "results"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PACKAGES = (
    *("edgediff", "numpy", "onnxruntime", "openvino", "nncf", "torch", "diffusers"),
    *("onnx", "onnxscript", "tokenizers", "pillow"),
)
# What decides how fast 8-bit and half-precision arithmetic is; as Linux calls them.
_CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")


class ChildError(RuntimeError):
    """A child process ended without a result."""


@final
@dataclass(frozen=True, slots=True)
class Child:
    """What a child process gave: the JSON of its last line of stdout, and its peaks of memory in bytes.

    ``peak_rss`` is the kernel's own high-water mark as last seen; ``peak_anonymous`` belongs to no file, sampled every
    20 ms: what cannot be dropped, unlike pages of mapped files. ``marks`` are the phases it announced, see ``watch``.
    """

    output: dict[str, Any]
    peak_rss: int
    peak_anonymous: int
    wall_s: float
    marks: list[tuple[float, str]]


def run_child(
    arguments: Sequence[str], *, python: str | Path = sys.executable, environment: Mapping[str, str] | None = None
) -> Child:
    """Run ``python ARGUMENTS`` and watch its memory; its stderr goes where ours goes.

    Raises:
        ChildError: It failed.
    """
    watched = watch([str(python), *arguments], environment=environment)
    if watched.returncode or not watched.lines:
        raise ChildError(f"the child process ended with {watched.returncode}: {Path(arguments[0]).name}")
    anonymous = max((memory.anonymous for _, memory in watched.samples), default=0)
    return Child(json.loads(watched.lines[-1]), watched.peak or 0, anonymous, watched.seconds, watched.marks)


def summary(values: Sequence[float]) -> dict[str, float]:
    """Number, median, smallest and largest of repeated measurements."""
    return {"n": len(values), "median": statistics.median(values), "min": min(values), "max": max(values)}


def machine() -> dict[str, Any]:
    """Hardware, versions and load, to stand beside every figure."""
    told = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    processor = {name.strip(): value.strip() for name, _, value in told}
    flags = {*processor.get("flags", processor.get("Features", "")).split()}
    installed = {distribution.name.lower(): distribution.version for distribution in distributions()}
    packages = {name: installed[name] for name in _PACKAGES if name in installed}
    return {
        "cpu": processor.get("model name", platform.processor()),
        "cpu_flags": [flag for flag in _CPU_FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES,
        "python": platform.python_version(),
        "packages": packages,
        "load_at_start": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def store(name: str, result: dict[str, Any]) -> Path:
    """Write ``results/NAME.json`` and return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return path
