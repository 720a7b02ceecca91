"""What a measurement was made on: it stands beside every figure."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("edgediff", "numpy", "onnxruntime", "openvino", "ncnn", "coremltools", "tokenizers", "pillow")
_CORES, _GOVERNOR = "/sys/devices/system/cpu", "cpu*/cpufreq/scaling_governor"


def describe_machine() -> dict[str, Any]:
    """Hardware, operating system, versions, frequency governor and load; None for what the system does not tell."""
    return {
        "cpu": _cpu(),
        "cores": _usable_cores(),
        "memory_bytes": _memory_bytes(),
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "governor": _governor(),
        "others_share": None,  # known when something was measured
        "load_at_start": os.getloadavg()[0] if sys.platform != "win32" else None,
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name)) is not None},
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _usable_cores() -> int:
    """Logical cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _memory_bytes() -> int | None:
    if sys.platform == "win32":
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _governor() -> str | None:
    """The kernel's frequency governors, one for all cores or several; a virtual machine shows none."""
    try:
        found = {path.read_text(encoding="ascii").strip() for path in Path(_CORES).glob(_GOVERNOR)}
    except OSError:
        return None
    return ", ".join(sorted(found)) or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
