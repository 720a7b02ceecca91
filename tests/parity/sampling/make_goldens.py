"""Make the goldens of the samplers and of the noise again: python tests/parity/sampling/make_goldens.py

Needs torch, diffusers, scipy and torchsde; writes tests/golden/sampling/samplers.npz and noise.npz.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
GOLDEN = HERE.parents[1] / "golden" / "sampling"
sys.path[:0] = [str(HERE), str(GOLDEN)]

from dataclasses import replace  # noqa: E402 - after the path

from sampler_cases import CASES  # noqa: E402
from sampler_reference import SHAPE, first_noise, mask_of, picture, run  # noqa: E402

SMALL = (1, 2, 3, 4)
EVERY = 6
NOISE_SEEDS = (0, 1, 2**32 + 7, 2**64 - 1)
NOISE_SHAPES = ((3,), (1, 4, 2, 2), (17,), (5,), (2, 3, 7), (1,), (33,))
PROVENANCE = {name: version(name) for name in ("torch", "diffusers", "scipy", "torchsde", "numpy")}


def chosen():
    """The first two cases of every class, and every sixth of the rest, on small samples."""
    seen: dict[str, int] = {}
    for case in CASES:
        name = case.config["_class_name"]
        seen[name] = seen.get(name, 0) + 1
        if seen[name] <= 2 or seen[name] % EVERY == 0:
            yield replace(case, shape=SMALL) if case.shape == SHAPE else case


def samplers() -> None:
    arrays, rows = {}, []
    for i, case in enumerate(chosen()):
        timesteps, final = run(case)
        arrays |= {f"timesteps_{i}": timesteps, f"final_{i}": final, f"noise_{i}": first_noise(case.shape)}
        if case.from_picture or case.config["_class_name"] == "RePaintScheduler":
            arrays[f"picture_{i}"] = picture(case.shape)
        if case.config["_class_name"] == "RePaintScheduler":
            arrays[f"mask_{i}"] = mask_of(case.shape)
        row = {"name": str(case), "config": case.config, "steps": case.steps, "call": case.call}
        row |= {
            "strength": case.strength,
            "channels": case.channels,
            "tolerance": case.tolerance,
            "t_atol": case.t_atol,
        }
        rows.append(row)
    about = json.dumps({"made_by": "tests/parity/sampling/make_goldens.py", "versions": PROVENANCE, "cases": rows})
    np.savez_compressed(GOLDEN / "samplers.npz", about=np.array(about), **arrays)
    print(f"{len(rows)} cases, {(GOLDEN / 'samplers.npz').stat().st_size / 1024:.0f} KiB")  # noqa: T201 - a script reports by printing


def noise() -> None:
    arrays = {}
    for seed in NOISE_SEEDS:
        generator = torch.Generator().manual_seed(seed)
        draws = [torch.randn(shape, generator=generator).numpy() for shape in NOISE_SHAPES]
        draws.append(torch.rand((4, 3), generator=generator).numpy())
        draws.append(torch.empty((4, 3)).exponential_(1, generator=generator).numpy())
        arrays |= {f"{seed}_{i}": draw for i, draw in enumerate(draws)}
    about = json.dumps(
        {"made_by": "tests/parity/sampling/make_goldens.py", "versions": PROVENANCE, "seeds": NOISE_SEEDS}
    )
    np.savez_compressed(GOLDEN / "noise.npz", about=np.array(about), **arrays)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    samplers()
    noise()
