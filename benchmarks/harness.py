"""What every experiment here shares: a child process with its memory watched, medians, the machine, stored results."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, final

RESULTS = Path(__file__).parent / "results"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_S = 0.02
_PACKAGES = ("edgediff", "numpy", "onnxruntime", "torch", "diffusers", "onnx", "onnxscript", "tokenizers", "pillow")


@final
@dataclass(frozen=True, slots=True)
class Child:
    """What a child process gave: the JSON of its last line of stdout, and its peaks of memory in bytes.

    ``peak_rss`` is the kernel's own high-water mark as last seen; ``peak_anonymous`` is resident minus shared, sampled
    every 20 ms: what cannot be dropped, unlike pages of mapped files.
    """

    output: dict[str, Any]
    peak_rss: int
    peak_anonymous: int
    wall_s: float


def run_child(arguments: Sequence[str]) -> Child:
    """Run ``python ARGUMENTS`` and watch its memory; a child that fails ends the experiment with its own words."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    peaks = {"rss": 0, "anonymous": 0}
    watcher = threading.Thread(target=_watch, args=(process, peaks), daemon=True)
    watcher.start()
    stdout, _ = process.communicate()
    watcher.join()
    if process.returncode:
        sys.exit(f"the child process ended with {process.returncode}: {' '.join(arguments)}")
    return Child(json.loads(stdout.splitlines()[-1]), peaks["rss"], peaks["anonymous"], time.perf_counter() - began)


def _watch(process: subprocess.Popen[str], peaks: dict[str, int]) -> None:
    statm, status = Path(f"/proc/{process.pid}/statm"), Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        try:
            resident, shared = (int(field) * _PAGE_BYTES for field in statm.read_text().split()[1:3])
            high = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM")), None)
        except (OSError, ValueError):
            break
        peaks["anonymous"] = max(peaks["anonymous"], resident - shared)
        if high is not None:
            peaks["rss"] = max(peaks["rss"], int(high.split()[1]) * 1024)
        time.sleep(_SAMPLE_S)


def summary(values: Sequence[float]) -> dict[str, float]:
    """Number, median, smallest and largest of repeated measurements."""
    return {"n": len(values), "median": statistics.median(values), "min": min(values), "max": max(values)}


def machine() -> dict[str, Any]:
    """Hardware, versions and load, to stand beside every figure."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    installed = {distribution.name.lower(): distribution.version for distribution in distributions()}
    packages = {name: installed[name] for name in _PACKAGES if name in installed}
    return {
        "cpu": cpu,
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
