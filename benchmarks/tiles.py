"""What decoding in tiles costs and saves: seconds, peak memory, and the distance from the whole decode.

    python benchmarks/tiles.py BUNDLE [--size 1024x1024] [--tiles 256 384 512] [--engines onnxruntime openvino]

Every decode is a process of its own, the whole one first. With ``--drawn`` the latents are those of a sheet of pictures
that the bundle draws, in the size asked for; without, as for random weights, they are noise. *Private* is memory that
belongs to no file, of the whole process. Results: ``results/tiles-NAME-ENGINE.json``.

With ``--alone`` each tile is a picture of its own and no other is decoded: what one tile takes, by engine.
Results: ``results/tile_memory-NAME.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import machine, run_child, store
from PIL import Image

import edgediff
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import EngineOptions, get_engine
from edgediff_runtimes.parts.tiling import tiled
from edgediff_runtimes.quality.measures import psnr_db
from edgediff_runtimes.tensors import Floats

PROMPT, SEED = "a red apple", 0


def latents(given: argparse.Namespace) -> Floats:
    """What is decoded, ``(1, channels, height, width)``: of a sheet of drawn pictures, or noise."""
    bundle = Bundle.open(given.bundle)
    space = bundle.manifest.recipe.first.space
    width, height = map(int, given.size.split("x"))
    if not given.drawn:
        shape = space.shape(width=width, height=height)
        return np.random.default_rng(SEED).standard_normal((1, *shape)).astype(np.float32)
    with edgediff.load(given.bundle) as pipeline:
        [first] = pipeline(PROMPT, seed=SEED).images
        columns, rows = width // first.width, height // first.height
        drawn = pipeline(PROMPT, seed=SEED, images=columns * rows).images
    sheet = Image.new("RGB", (columns * first.width, rows * first.height))
    for index, image in enumerate(drawn):
        sheet.paste(image, (index % columns * first.width, index // columns * first.height))
    pixels = np.asarray(sheet, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    with get_engine("onnxruntime").load(bundle.graph("vae_encoder"), device="auto", options=EngineOptions()) as session:
        [moments] = session.run({next(iter(session.inputs)): pixels}).values()
    return moments[:, : space.channels]


def child(given: argparse.Namespace) -> None:
    """Decode once in this process; prints seconds, and writes the picture."""
    bundle = Bundle.open(given.bundle)
    space, array = bundle.manifest.recipe.first.space, np.load(given.child / "latents.npy")
    rows, columns = array.shape[-2:]
    options = EngineOptions(low_memory=given.low_memory)
    with get_engine(given.engines[0]).load(bundle.graph("vae_decoder"), device="auto", options=options) as session:
        name = next(iter(session.inputs))
        side = given.tiles[0] // space.factor or max(rows, columns)
        began, processor = time.perf_counter(), time.process_time()
        made = tiled(lambda tile: session.run({name: tile}), array, rows=rows, columns=columns, side=side)
        seconds = {"wall_s": time.perf_counter() - began, "processor_s": time.process_time() - processor}
    [picture] = made.values()
    eight_bits = (np.clip(picture[0] / 2 + 0.5, 0, 1) * 255).round().astype(np.uint8)
    np.save(given.child / f"{given.tiles[0]}.npy", eight_bits.transpose(1, 2, 0))
    print(json.dumps(seconds))


def measure(given: argparse.Namespace, engine: str) -> dict[str, Any]:
    """The whole decode, then one for every size of tiles; 0 stands for the whole."""
    measured = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "latents.npy", latents(given))
        for tile in (0, *given.tiles):
            words = ["--engines", engine, "--tiles", str(tile), "--child", name]
            run = run_child([__file__, given.bundle, *words, *(["--low-memory"] if given.low_memory else [])])
            whole, picture = (np.load(folder / f"{each}.npy") for each in (0, tile))
            measured[str(tile)] = {
                **run.output,
                "peak_anonymous_bytes": run.peak_anonymous,
                "psnr_db": None if tile == 0 else psnr_db(picture, whole),
                "largest_difference": int(np.abs(picture.astype(int) - whole).max()),
            }
            print(engine, tile, measured[str(tile)], flush=True)
    return measured


def memory_of_a_tile(given: argparse.Namespace) -> list[dict[str, Any]]:
    """The peak of decoding a picture of one tile's size, by engine and size, with and without ``low_memory``."""
    found = []
    cases = [(engine, low, tile) for engine in given.engines for low in ([], ["--low-memory"]) for tile in given.tiles]
    for engine, low, tile in cases:
        with tempfile.TemporaryDirectory() as name:
            square = argparse.Namespace(**{**vars(given), "size": f"{tile}x{tile}", "drawn": False})
            np.save(Path(name) / "latents.npy", latents(square))
            run = run_child([__file__, given.bundle, "--engines", engine, "--tiles", "0", "--child", name, *low])
        found.append({"engine": engine, "low_memory": bool(low), "tile": tile, "private_bytes": run.peak_anonymous})
        print(found[-1], run.output, flush=True)
    return found


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--size", default="1024x1024")
    parser.add_argument("--tiles", type=int, nargs="+", default=[256, 384, 512])
    parser.add_argument("--engines", nargs="+", default=["onnxruntime", "openvino"])
    parser.add_argument("--drawn", action="store_true")
    parser.add_argument("--low-memory", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--child", type=Path)
    given = parser.parse_args()
    if given.child:
        child(given)
        return
    if given.alone:
        result = {"machine": machine(), "peaks": memory_of_a_tile(given)}
        print(store(f"tile_memory-{Path(given.bundle).name}", result))
        return
    for engine in given.engines:
        found = {"machine": machine(), "size": given.size, "low_memory": given.low_memory}
        result = {**found, "latents": "drawn" if given.drawn else "noise", "tiles": measure(given, engine)}
        print(store(f"tiles-{Path(given.bundle).name}-{engine}", result))


if __name__ == "__main__":
    main()
