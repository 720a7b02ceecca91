"""What a LoRA at load costs, and how near it is to one that was fused before the export.

    python -m benchmarks.lora precisions --work DIR          # the trained emoji model, every precision
    python -m benchmarks.lora size --bundle DIR --work DIR   # a large bundle: time and memory of a random LoRA
    python -m benchmarks.lora sheet --out docs/images/lora.png
    python -m benchmarks.lora names --fp32 DIR --bundle DIR  # an OpenVINO bundle of before: names its weights

``precisions`` exports the emoji model in fp32 and in each precision, with the LoRA fused and without, and compares
pictures of twelve prompts by PSNR, with the standard error of the difference between two such figures; ``--rounds 2``
draws each prompt with another seed as well. ``size`` starts a process for each case, which draws one picture of 64×64
pixels in one step and tells its seconds and the peak of its memory: all that is resident, and what of it is private
(not mapped files).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import edgediff
from edgediff.api import open_bundle
from edgediff.inspection.contact_sheet import contact_sheet
from edgediff_runtimes.weights.reading import stored_weights

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "benchmarks" / "models" / "emoji" / "pipelines" / "emoji"
LORA = ROOT / "tests" / "golden" / "lora" / "violet-ink.safetensors"
CASES = (("onnx", "w16"), ("onnx", "w8"), ("onnx", "w4"), ("onnx", "int8"))
IR_CASES = (("openvino", "w8"), ("openvino", "w4"), ("openvino", "int8"))
PROMPTS = (
    "a red apple", "a banana", "a dog face", "a sunflower", "a house", "a rocket", "a fire engine", "a sailboat",
    "a mushroom", "an octopus", "a snowman", "a bicycle",
)  # fmt: skip
SHOWN = ("a red apple", "a rocket", "a mushroom", "a sailboat")  # the last was not trained with
SCALE = 0.8


def drawn(bundle: Path, *, lora: bool, rounds: int) -> np.ndarray:
    """Pictures of all prompts, with other seeds in each round, (pictures, height, width, 3), float64."""
    seeds = [(100 * number + place, prompt) for number in range(rounds) for place, prompt in enumerate(PROMPTS)]
    with edgediff.load(bundle, loras={LORA: SCALE} if lora else None, threads=1) as pipeline:
        images = [pipeline(prompt, seed=seed).images[0] for seed, prompt in seeds]
    return np.stack([np.asarray(image, np.float64) for image in images])


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """PSNR of each picture, in dB."""
    errors = np.square(one - other).mean(axis=(1, 2, 3))
    return 10 * np.log10(255**2 / np.maximum(errors, 1e-9))


def exported(work: Path, format_: str, precision: str, *, lora: bool) -> Path:
    """A bundle of the emoji model; made once."""
    target = work / f"{format_}-{precision}{'-lora' if lora else ''}"
    if not target.exists():
        started = time.perf_counter()
        edgediff.export(
            SOURCE,
            target,
            format=format_,
            precision=precision,
            defaults={"steps": 20, "guidance": 2.5},
            loras={LORA: SCALE} if lora else None,
            **({} if (format_, precision) == ("onnx", "fp32") else {"evaluation_pictures": 0}),
        )
        print(f"{target.name}: exported in {time.perf_counter() - started:.0f} s", flush=True)
    return target


def precisions(arguments: argparse.Namespace) -> None:
    """Compare at load with fused, in every precision."""
    rounds = arguments.rounds
    reference = drawn(exported(arguments.work, "onnx", "fp32", lora=True), lora=False, rounds=rounds)
    base = exported(arguments.work, "onnx", "fp32", lora=False)
    at_load = drawn(base, lora=True, rounds=rounds)
    print(f"fp32: at load against fused: largest difference {np.abs(at_load - reference).max():.0f} of 255")
    print(f"what the LoRA changes: {distances(drawn(base, lora=False, rounds=rounds), reference).mean():.1f} dB")
    rows = []
    for format_, precision in [*CASES, *(IR_CASES if arguments.openvino else ())]:
        fused = drawn(exported(arguments.work, format_, precision, lora=True), lora=False, rounds=rounds)
        loaded = drawn(exported(arguments.work, format_, precision, lora=False), lora=True, rounds=rounds)
        own, between = distances(fused, reference), distances(loaded, fused)
        row = {
            "format": format_,
            "precision": precision,
            "fused, against fp32": round(own.mean(), 2),
            "at load, against fp32": round(distances(loaded, reference).mean(), 2),
            "at load, against fused": round(between.mean(), 2),
            "standard error of the last less the first": round((between - own).std(ddof=1) / len(own) ** 0.5, 2),
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    (arguments.work / "precisions.json").write_text(json.dumps(rows, indent=1))


def random_lora(bundle: Path, path: Path, *, rank: int) -> None:
    """A LoRA of attention's matrices, as most are, with random numbers."""
    opened, rng, tensors = open_bundle(bundle), np.random.default_rng(0), {}
    for role in ("unet", "text_encoder"):
        for name, one in stored_weights(opened.graph(role)).items():
            layer = name.removesuffix(".weight")
            ends = (".to_q", ".to_k", ".to_v", ".to_out.0", ".q_proj", ".k_proj", ".v_proj", ".out_proj")
            if len(one.shape) > 1 and layer.endswith(ends):
                outputs, inputs = one.shape[:2]
                text = "text_model." if role == "text_encoder" and not layer.startswith("text_model.") else ""
                down = rng.standard_normal((rank, inputs), np.float32)
                tensors[f"{role}.{text}{layer}.lora_A.weight"] = (down / inputs**0.5).astype(np.float16)
                up = rng.standard_normal((outputs, rank), np.float32)
                tensors[f"{role}.{text}{layer}.lora_B.weight"] = (0.02 * up).astype(np.float16)
    save_file(tensors, path)
    print(f"{len(tensors) // 2} layers, {path.stat().st_size / 1e6:.0f} MB")


def private_bytes() -> int:
    """What of this process is resident and no mapped file."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    return 0


def child(arguments: argparse.Namespace) -> None:
    """One process: draw, and tell what it took."""
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, private_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    options = {"steps": 1, "width": 64, "height": 64, "seed": 0, "guidance": 1.0}
    loras = [arguments.lora] if arguments.lora else None
    started = time.perf_counter()
    pipeline = edgediff.load(arguments.bundle, low_memory=arguments.low_memory, loras=None)
    bind = time.perf_counter()
    if loras:
        pipeline.set_loras(loras)
    bound = time.perf_counter()
    first = pipeline("a house", **options)
    drawn_s = time.perf_counter()
    again = []
    for _ in range(arguments.swaps):
        pipeline.set_loras(None)
        pipeline("a house", **options)
        pipeline.set_loras(loras)
        last = pipeline("a house", **options)
        again.append(private_bytes() >> 20)
        same = bool((np.asarray(first.images[0]) == np.asarray(last.images[0])).all())
        if not same:
            print("the picture changed", file=sys.stderr)
    done.set()
    thread.join()
    told = {
        "bind_s": round(bound - bind, 2),
        "all_s": round(drawn_s - started, 2),
        "private_mb": peak >> 20,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "after_swaps_mb": again,
    }
    print(json.dumps(told))


def size(arguments: argparse.Namespace) -> None:
    """Time and memory with and without."""
    path = arguments.work / f"random-{arguments.rank}.safetensors"
    if not path.exists():
        random_lora(arguments.bundle, path, rank=arguments.rank)
    for low_memory in (False, True):
        for lora in (None, path):
            told = []
            for _ in range(arguments.repeats):
                command = [sys.executable, "-m", "benchmarks.lora", "child", "--bundle", str(arguments.bundle)]
                command += ["--lora", str(lora)] if lora else []
                command += ["--low-memory"] if low_memory else []
                command += ["--swaps", str(arguments.swaps)] if lora and not low_memory else []
                # Nothing that was compiled may be kept: a start from the cache is another thing.
                environment = {**os.environ, "EDGEDIFF_CACHE_LIMIT": "0"}
                out = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
                told.append(json.loads(out.stdout))
            best = min(told, key=lambda one: one["all_s"])
            print(f"low_memory={low_memory}, lora={lora is not None}: {json.dumps(best)}", flush=True)


def sheet(arguments: argparse.Namespace) -> None:
    """Draw a few words without, with half and with all of the LoRA, for the page."""
    cells = []
    with edgediff.load("emoji", threads=1) as pipeline:
        for scale in (0.0, 0.5, 1.0):
            pipeline.set_loras({LORA: scale} if scale else None)
            for seed, words in enumerate(SHOWN):
                cells.append((pipeline(words, seed=seed).images[0], f"{words}, {scale:g}" if scale else words))
    contact_sheet(cells).quantize(128).save(arguments.out, optimize=True)


def names(arguments: argparse.Namespace) -> None:
    """Write into a manifest what an export of today writes: which operation reads which weight."""
    from edgediff_exporters.quantization.openvino_names import (  # noqa: PLC0415 - brings PyTorch, which `child` is without
        operations_of_weights,
    )

    exact, other = open_bundle(arguments.fp32), open_bundle(arguments.bundle)
    path = other.path / "edgediff.json"
    values = json.loads(path.read_text())
    for role in values["components"]:
        found = operations_of_weights(exact.graph(role).path, other.graph(role).path)
        values["components"][role]["weights"] = found
        print(f"{role}: {len(found)}")
    path.unlink()  # it may be a second name of another bundle's
    path.write_text(json.dumps(values, indent=2))


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for work in (precisions, size, child, names, sheet):
        command = commands.add_parser(work.__name__)
        command.set_defaults(run=work)
        command.add_argument("--work", type=Path, default=Path("lora-work"), help="a folder for what is made")
        command.add_argument("--bundle", type=Path, help="a bundle")
        command.add_argument("--fp32", type=Path, help="the same model in fp32, in ONNX")
        command.add_argument("--lora", type=Path, help="a LoRA")
        command.add_argument("--out", type=Path, default=Path("lora.png"), help="a PNG")
        command.add_argument("--rank", type=int, default=16, help="(default: %(default)s)")
        command.add_argument("--repeats", type=int, default=3, help="processes of each case (default: %(default)s)")
        command.add_argument("--swaps", type=int, default=0, help="how often the LoRA is taken off and put on again")
        command.add_argument("--rounds", type=int, default=1, help="pictures of each prompt (default: %(default)s)")
        command.add_argument("--low-memory", action="store_true", help="as of `edgediff run`")
        command.add_argument("--openvino", action="store_true", help="OpenVINO's format as well")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    arguments.run(arguments)


if __name__ == "__main__":
    main()
