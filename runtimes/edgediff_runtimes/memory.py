"""Memory that there is for a model, and whether its components are all kept in it."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from edgediff_runtimes.bundle import Bundle, Component
from edgediff_runtimes.placement import Placement, Residency
from edgediff_runtimes.precisions import precision_of
from edgediff_runtimes.recipe import GraphUse

# Of what is available, left for what calls compute with: the largest layers of a network and of an autoencoder.
_FOR_CALLS = 0.2
# What an autoencoder of Stable Diffusion's width computes with, in float32, for each pixel of a tile, where it is most:
# in ONNX Runtime, which from the second tile on keeps a second block. Private bytes in tiles of 384 pixels, less those
# in tiles of 256, by the pixels between: 10,471. Both are in benchmarks/results, in `tile_memory-sd15-vae.json` and
# `tiles-sd15-vae-onnxruntime.json`.
_BYTES_PER_PIXEL = 10_500
# What a graph's weights become when an engine has loaded it, as a multiple of its files: processors multiply in
# float32, so float16 is widened; ONNX Runtime is told to widen int8 that is computed in float32 (``w8``).
_FLOAT16_WIDENED, _INT8_WIDENED = 2, 4
_PROCESSOR = ("auto", "cpu")  # every engine of ours takes the processor where nothing is asked for

_MEMORY_INFO = Path("/proc/meminfo")
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


def choose_residency(bundle: Bundle, placement: Placement, *, available: int | None) -> Residency:
    """``sequential`` where memory does not hold all components, else ``resident``.

    Args:
        bundle: The bundle.
        placement: How its components are computed.
        available: Bytes of memory that there are; None, where the system does not tell: taken as enough.
    """
    needed = needed_bytes(bundle, placement)
    return "resident" if available is None or needed <= available * (1 - _FOR_CALLS) else "sequential"


def needed_bytes(bundle: Bundle, placement: Placement) -> int:
    """About how many bytes the weights of all components take when they are loaded; an estimate from their files."""
    return sum(needed_by_role(bundle, placement).values())


def needed_by_role(bundle: Bundle, placement: Placement) -> dict[str, int]:
    """Likewise of each component that the processor computes; other devices are taken to have memory of their own."""
    components = bundle.manifest.components
    roles = {use.role: None for use in bundle.manifest.recipe.graphs() if use.role in components}
    return {
        role: _loaded_bytes(components[role], placement) for role in roles if placement.device_of(role) in _PROCESSOR
    }


def _loaded_bytes(component: Component, placement: Placement) -> int:
    stored = sum(entry.bytes for entry in component.files)
    if placement.low_memory:
        return stored  # used where they lie in the mapped file
    row = precision_of(component.precision)
    if row.half or row.storage == "float16":
        return stored * _FLOAT16_WIDENED
    widened = component.format == "onnx" and row.storage == "int8" and row.executions == ("f32",)
    return stored * _INT8_WIDENED if widened else stored


def spare_bytes(
    bundle: Bundle, placement: Placement, uses: Sequence[GraphUse], *, available: int | None, residency: Residency
) -> int | None:
    """About how many bytes there are for what a run computes in tiles; None: enough, or not the processor's.

    The same for equal runs, whatever was loaded or computed before.

    Args:
        bundle: The bundle.
        placement: How its components are computed.
        uses: The graphs of the run.
        available: Bytes of memory that there were before anything was loaded; None: the system does not tell.
        residency: Whether the components of the run stay beside it.
    """
    needed = needed_by_role(bundle, placement)
    tiled = {use.role for use in uses if use.tiled} & needed.keys()
    if available is None or not tiled:
        return None
    if residency == "sequential":
        return available - max(needed[role] for role in tiled)
    return available - sum(needed[role] for role in {use.role for use in uses} & needed.keys())


def tile_that_fits(spare: int | None, *, width: int, height: int) -> int | None:
    """Pixels along one side of a square that an autoencoder can compute at once; None where that is the picture.

    Args:
        spare: Bytes that there are for it; None: enough.
        width: Of the picture.
        height: Likewise.
    """
    if spare is None or width * height * _BYTES_PER_PIXEL <= spare * (1 - _FOR_CALLS):
        return None
    return math.isqrt(int(max(spare, 0) * (1 - _FOR_CALLS)) // _BYTES_PER_PIXEL)


def available_bytes() -> int | None:
    """Memory that this process may still take: the machine's, or less where a control group limits it.

    On Linux what the kernel calls available; on other systems with POSIX's ``sysconf`` all memory of the machine; None
    where there is neither.
    """
    if sys.platform != "linux":
        return _physical_bytes()
    limits = [_meminfo_available(), *_left_in_groups()]
    return min((limit for limit in limits if limit is not None), default=None)


def _physical_bytes() -> int | None:
    if sys.platform == "win32":
        return None
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def _meminfo_available() -> int | None:
    for line in _read(_MEMORY_INFO).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _left_in_groups() -> list[int]:
    """What the control groups of this process leave, each with those above it; version 2 and version 1."""
    left: list[int] = []
    for line in _read(_OWN_GROUPS).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root = _GROUPS / controllers
        folder = root / path.lstrip("/")
        # In a container the path may be the host's: then only the root is there, and it is the container's own.
        for group in (folder, *folder.parents):
            left += _left_in(group)
            if group == root:
                break
    return left


def _left_in(group: Path) -> list[int]:
    for limit, used, reclaimable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, now = _read(group / limit).strip(), _read(group / used).strip()
        if most.isdecimal() and now.isdecimal():
            statistics = dict(line.split(" ", 1) for line in _read(group / "memory.stat").splitlines() if " " in line)
            return [max(int(most) - int(now) + int(statistics.get(reclaimable, 0)), 0)]
    return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
