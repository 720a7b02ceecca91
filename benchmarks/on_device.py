"""How far a device draws from the processor, picture by picture, and which provider ran every node.

    python benchmarks/on_device.py REFERENCE BUNDLE... --device webgpu [--least 45] [--left IsNaN] [--prompts "a cat"]

The REFERENCE is drawn on the processor, once; each BUNDLE on the device, with the same prompts and seeds. It ends with
exit code 1 where a picture is below the floor, where an operator on floats was computed on the processor in the
device's place (but for those of ``--left``), and where a component had no node on the device. Operators on shapes stay
on the processor by design.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import edgediff
from edgediff.shares import shares_text
from edgediff_runtimes.components import Computed
from edgediff_runtimes.quality.measures import psnr_db
from edgediff_runtimes.tensors import Array

PROMPTS = ("a red apple", "a blue car", "a smiling cat")


def drawn(bundle: str, prompts: Sequence[str], *, device: str) -> tuple[list[Array], dict[str, Computed]]:
    """The picture of each prompt as uint8, and who computed the first of them."""
    pictures, computed = [], {}
    with edgediff.load(bundle, device=device) as pipeline:
        for seed, prompt in enumerate(prompts):
            began = time.perf_counter()
            result = pipeline(prompt, seed=seed)
            computed = computed or dict(result.computed)
            pictures.append(np.asarray(result.images[0].convert("RGB")))
            print(f"{Path(bundle).name} on {device}: {prompt!r} in {time.perf_counter() - began:.1f} s", flush=True)
    return pictures, computed


def faults(name: str, device: str, computed: dict[str, Computed], *, known: Sequence[str]) -> list[str]:
    """What of a bundle was not computed where it was asked for; who computed each component is printed."""
    found = []
    for role, how in computed.items():
        print(f"  {role} in {how.execution}: {shares_text(how.shares)}")
        if device not in how.shares:
            found.append(f"{name}: no node of `{role}` ran on {device}")
        for other, share in how.shares.items():
            left = sorted({*share.operators} - {*known})
            if other != device and left:
                found.append(f"{name}: {other} computed {', '.join(left)} of `{role}`")
    return found


def main() -> None:
    """Draw, compare, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("reference")
    options.add_argument("bundles", nargs="+")
    options.add_argument("--device", required=True)
    options.add_argument("--least", type=float, default=45.0, help="dB that every picture must have")
    options.add_argument("--left", nargs="+", default=(), help="operators that are known to stay on the processor")
    options.add_argument("--prompts", nargs="+", default=PROMPTS)
    given = options.parse_args()
    expected, _ = drawn(given.reference, given.prompts, device="cpu")
    wrong = []
    for bundle in given.bundles:
        got, computed = drawn(bundle, given.prompts, device=given.device)
        name = Path(bundle).name
        print(f"{name} on {given.device}")
        wrong += faults(name, given.device, computed, known=given.left)
        for prompt, one, other in zip(given.prompts, expected, got, strict=True):
            distance = psnr_db(one, other)
            levels = int(np.abs(one.astype(int) - other.astype(int)).max())
            print(f"  {prompt!r}: {distance:.1f} dB, at most {levels} of 255 levels")
            if distance < given.least:
                wrong.append(f"{name}: {prompt!r} is at {distance:.1f} dB, expected at least {given.least:g}")
    for line in wrong:
        print(f"FAILED {line}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
