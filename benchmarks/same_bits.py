"""Whether another machine's processor answers a bundle's graphs bit for bit, and how far off it is where it does not.

    python benchmarks/same_bits.py record FILE BUNDLE...     # here: what every graph was fed and gave, and a picture
    python benchmarks/same_bits.py compare FILE BUNDLE... [--least 45]      # there: the same graphs on the same arrays

Graphs are computed by ONNX Runtime on the processor, as a run of two steps from a picture calls them. ``compare``
feeds each of them what it was fed at the record, so that the difference of one does not reach the next; the picture
is drawn by the whole bundle, as users draw it. Exit code 1: an output, or the picture, is below ``--least`` dB.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from harness import machine
from PIL import Image

import edgediff
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import get_engine
from edgediff_runtimes.engines.tapping import TappingEngine
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality.measures import MAX_DB, psnr_db, snr_db
from edgediff_runtimes.tensors import Array

STEPS, SEED, PROMPT = 2, 3, "a red apple"


def start(width: int, height: int) -> Image.Image:
    """The picture that a run begins with: shades and an edge."""
    y, x = np.mgrid[0:height, 0:width]
    shades = np.stack([255 * x // width, 255 * y // height, np.where(x > y, 200, 40)], axis=-1)
    return Image.fromarray(shades.astype(np.uint8))


def drawn(bundle: Path, calls: dict[str, Array]) -> Array:
    """A picture, uint8; ``calls`` gets what every graph was fed and gave, by ``number/role/in or out/name``."""
    seen = 0

    def see(role: str, feeds: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        nonlocal seen
        for way, arrays in (("in", feeds), ("out", outputs)):
            calls.update({f"{seen}/{role}/{way}/{name}": np.array(array) for name, array in arrays.items()})
        seen += 1

    with edgediff.load(bundle, engine=TappingEngine(get_engine("onnxruntime"), see)) as pipeline:
        defaults = pipeline.bundle.manifest.defaults
        image = start(defaults.width or 64, defaults.height or 64)
        result = pipeline(PROMPT, image=image, strength=1.0, steps=STEPS, seed=SEED)
    return np.asarray(result.images[0].convert("RGB"))


def record(file: Path, bundles: list[Path]) -> None:
    """Write what the bundles compute on this machine."""
    arrays: dict[str, Array] = {"machine": np.array(here())}
    for bundle in bundles:
        calls: dict[str, Array] = {}
        arrays[f"{bundle.name}/picture"] = drawn(bundle, calls)
        arrays.update({f"{bundle.name}/{key}": array for key, array in calls.items()})
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type] # NumPy's stubs take names for other options


def here() -> str:
    """What decides which kernels compute."""
    told = machine()
    flags = " ".join(told["cpu_flags"]) or "no flag known to us"
    return f"{platform.machine()} ({flags}), ONNX Runtime {told['packages']['onnxruntime']}"


def compare(file: Path, bundles: list[Path], least: float) -> list[str]:
    """Compute the record's calls on this machine; what is below the floor. Distances are printed."""
    with np.load(file) as stored:
        arrays = dict(stored)
    print(f"recorded on {arrays['machine']}\ncompared on {here()}")
    low = []
    for bundle in bundles:
        name = bundle.name
        for role, found in computed(bundle, arrays).items():
            worst, equal = min(distance for _, distance in found), sum(same for same, _ in found)
            print(f"  {name}, {role}: {equal} of {len(found)} outputs bit-equal, {decibel(worst)} at worst", flush=True)
            low += [f"{name}: {role} is at {worst:.1f} dB"] if worst < least else []
        expected, got = arrays[f"{name}/picture"], drawn(bundle, {})
        distance, levels = psnr_db(expected, got), int(np.abs(expected.astype(int) - got).max())
        print(f"  {name}, picture: {decibel(distance)}, at most {levels} of 255 levels", flush=True)
        low += [f"{name}: the picture is at {distance:.1f} dB"] if distance < least else []
    return [f"{line}, expected at least {least:g}" for line in low]


def decibel(distance: float) -> str:
    """A distance in words: measures end at ``MAX_DB``."""
    return f"{distance:.1f} dB" if distance < MAX_DB else f"{MAX_DB:g} dB or better"


def computed(bundle: Path, arrays: Mapping[str, Array]) -> dict[str, list[tuple[bool, float]]]:
    """Of each component's outputs: whether they are equal bit for bit, and the distance in dB."""
    calls: dict[tuple[str, str], tuple[dict[str, Array], dict[str, Array]]] = {}
    for key, array in arrays.items():
        owner, *call = key.split("/", 4)
        if owner == bundle.name and len(call) > 1:
            number, role, way, name = call
            calls.setdefault((role, number), ({}, {}))[way == "out"][name] = array
    found: dict[str, list[tuple[bool, float]]] = {}
    own, engine = Bundle.open(bundle), get_engine("onnxruntime")
    for role in dict.fromkeys(role for role, _ in calls):
        with engine.load(own.graph(role), device="cpu", options=Placement().options_of(role)) as session:
            for feeds, outputs in (both for (whose, _), both in calls.items() if whose == role):
                got = session.run(feeds)
                found.setdefault(role, []).extend(
                    (np.array_equal(expected, got[name]), snr_db(expected, got[name]))
                    for name, expected in outputs.items()
                )
    return found


def main() -> None:
    """Record, or compare and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=("record", "compare"))
    options.add_argument("file", type=Path)
    options.add_argument("bundles", nargs="+", type=Path)
    options.add_argument("--least", type=float, default=45.0, help="dB that every output and picture must have")
    given = options.parse_args()
    if given.what == "record":
        record(given.file, given.bundles)
        return
    wrong = compare(given.file, given.bundles, given.least)
    for line in wrong:
        print(f"FAILED {line}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
