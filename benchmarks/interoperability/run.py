"""Who opens whose directories: our bundles in other programs, their exports in ``edgediff run``; the same picture?

    python benchmarks/interoperability/run.py CACHE PIPELINE [--steps 4] [--guidance 1] [--precisions fp32 w8 int8]

CACHE is what ``benchmarks/peers/environments.py`` filled, PIPELINE a diffusers directory (``models.py`` beside this
file writes tiny ones). edgediff exports it in both
formats and each precision, optimum-onnx and optimum-intel export it as they do. Every directory is then drawn from by
``edgediff run`` and by each program that reads its format, in that program's own environment: the same prompt, seed,
steps, guidance and size, the sampler that the directory itself names, and the same noise. Pictures are compared with
each other and with diffusers' own of PIPELINE. Pictures and directories: CACHE/interoperability/NAME; results, written
anew after each row: ``results/interoperability-NAME.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.extend([str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "peers")])
from driving import PROMPT, SEED
from environments import conversion, driver_of, python_of, versions
from harness import machine, store
from released_names import release
from table import table

import edgediff
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.quality.measures import psnr_db, ssim

# format -> (edgediff's engine for it, programs that read it)
READERS = {
    "onnx": ("onnxruntime", ("optimum-onnx",)),
    "openvino": ("openvino", ("openvino-genai", "optimum-intel")),
}
# program -> format that it exports
EXPORTERS = {"optimum-onnx": "onnx", "optimum-intel": "openvino"}
REFERENCE = "diffusers"


class RefusedError(RuntimeError):
    """A program ended without a picture; the text is the last line that it wrote, or the signal that ended it."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is drawn, the same by all.

    Attributes:
        cache: The environments.
        work: Place of directories and pictures.
        width: Pixels.
        height: Pixels.
        drawing: ``steps``, and ``guidance`` where it is given.
        told: What edgediff's bundle knows and others want to be told: ``tokens``, the length of a prompt.
        kept: Directories of an earlier run are drawn from again.
        threads: Of every program.
    """

    cache: Path
    work: Path
    width: int
    height: int
    drawing: dict[str, float]
    told: dict[str, int]
    kept: bool
    threads: int

    def picture(self, *words: str) -> Path:
        """Where the picture of these words goes."""
        return self.work / "pictures" / f"{'--'.join(words)}.png"


def finished(command: list[str]) -> str:
    """What a command wrote to stdout.

    Raises:
        RefusedError: It failed.
    """
    variables = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **variables})
    if done.returncode < 0:
        raise RefusedError(f"crashed: {signal.Signals(-done.returncode).name}")
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise RefusedError(lines[-1] if lines else f"ended with {done.returncode}")
    return done.stdout


def drawn_by_edgediff(task: Task, name: str, folder: Path, engine: str) -> Path:
    """``edgediff run`` as a user types it."""
    picture = task.picture(name, "edgediff")
    options = {
        "-m": folder,
        "-o": picture,
        "--seed": SEED,
        "--size": f"{task.width}x{task.height}",
        "--engine": engine,
        "--execution": "f32",
        "--threads": task.threads,
        **{f"--{option}": value for option, value in task.drawing.items()},
    }
    command = shutil.which("edgediff", path=str(Path(sys.executable).parent)) or "edgediff"
    finished([command, "run", PROMPT, *(str(word) for pair in options.items() for word in pair)])
    return picture


def drawn_by(program: str, task: Task, name: str, folder: Path) -> Path:
    """Another program draws from a directory, as ``benchmarks/peers`` drives it."""
    picture = task.picture(name, program)
    job = {
        "driver": driver_of(program),
        "pipeline" if program == REFERENCE else program: str(folder),
        "noise": str(task.work / "noise.npy"),
        "picture": str(picture),
        "width": task.width,
        "height": task.height,
        "threads": task.threads,
        "dtype": "float32",
        "precision": "f32",
        "first": task.drawing | task.told,
        "measured": task.drawing | task.told,
    }
    driving = Path(__file__).parents[1] / "peers" / "driving.py"
    finished([str(python_of(task.cache, program)), str(driving), json.dumps(job)])
    return picture


def compared(one: Path, other: Path) -> dict[str, float]:
    """How alike two pictures are; 120 dB are the same pixels."""
    a, b = (np.asarray(Image.open(path).convert("RGB")) for path in (one, other))
    largest = int(np.abs(a.astype(int) - b).max())
    return {"psnr_db": psnr_db(a, b), "ssim": ssim(a, b), "largest_difference": largest}


def directories(task: Task, pipeline: Path, precisions: list[str]) -> dict[str, tuple[str, Path | str]]:
    """Export everything: the directory's name -> (its format, its place, or why there is none)."""
    found: dict[str, tuple[str, Path | str]] = {}
    for format_ in READERS:
        for precision in precisions:
            name = f"edgediff-{format_}-{precision}"
            folder = task.work / name
            defaults = {"width": task.width, "height": task.height, **task.drawing}
            found[name] = (format_, folder)
            if task.kept and folder.exists():
                continue
            # What a bundle loses against fp32 is measured elsewhere; fp32 in ONNX refuses to be measured at all.
            trials = {} if (format_, precision) == ("onnx", "fp32") else {"evaluation_pictures": 0}
            edgediff.export(pipeline, folder, format=format_, precision=precision, defaults=defaults, **trials)
            print(f"exported {name}", flush=True)
    for program, format_ in EXPORTERS.items():
        folder = task.work / program
        if task.kept and folder.exists():
            found[program] = (format_, folder)
            continue
        try:
            finished(conversion(task.cache, program, task.work / "pipeline", folder))
        except RefusedError as error:
            found[program] = (format_, str(error))
            print(f"not exported by {program}: {error}", flush=True)
        else:
            found[program] = (format_, folder)
            print(f"exported by {program}", flush=True)
    return found


def row(task: Task, name: str, format_: str, folder: Path, reference: Path) -> dict[str, Any]:
    """One directory in every program that reads it."""
    engine, programs = READERS[format_]
    found: dict[str, Any] = {"format": format_}
    ours, found["edgediff"] = attempted(lambda: drawn_by_edgediff(task, name, folder, engine), diffusers=reference)
    for program in programs:
        _, found[program] = attempted(
            lambda program=program: drawn_by(program, task, name, folder), diffusers=reference, edgediff=ours
        )
    return found


def attempted(draw: Callable[[], Path], **others: Path | None) -> tuple[Path | None, dict[str, Any]]:
    """A picture and how alike others it is, or why there is none."""
    try:
        picture = draw()
    except RefusedError as error:
        return None, {"refused": str(error)}
    return picture, {f"to_{name}": compared(picture, other) for name, other in others.items() if other is not None}


def prepare(task: Task, pipeline: Path, precisions: list[str]) -> dict[str, tuple[str, Path | str]]:
    """A fresh place with everything that the programs read."""
    for old in ("pictures", "pipeline") if task.kept else ("",):
        shutil.rmtree(task.work / old, ignore_errors=True)
    (task.work / "pictures").mkdir(parents=True)
    release(pipeline, task.work / "pipeline")
    found = directories(task, pipeline, precisions)
    space = Bundle.open(task.work / f"edgediff-onnx-{precisions[0]}").manifest.recipe.first.space
    shape = (1, space.channels, task.height // space.factor, task.width // space.factor)
    rng = noise_source(SEED, "torch-cpu")  # the first draw is where a picture starts, the others are a sampler's
    np.save(
        task.work / "noise.npy", np.stack([rng.standard_normal(shape) for _ in range(int(task.drawing["steps"]) + 1)])
    )
    return found


def main() -> None:
    """Export, draw, compare, store, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("pipeline", type=Path, help="a diffusers directory")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "w8", "int8"])
    parser.add_argument("--size", default="64x64")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--guidance", type=float, help="for models that take it")
    parser.add_argument("--tokens", type=int, help="length of a prompt, for pipelines that take it")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--kept", action="store_true", help="draw from directories of an earlier run")
    given = parser.parse_args()
    cache, pipeline = given.cache.absolute(), given.pipeline.resolve()
    width, height = map(int, given.size.split("x"))
    drawing = _given(steps=given.steps, guidance=given.guidance)
    told = _given(tokens=given.tokens)
    work = cache / "interoperability" / pipeline.name
    task = Task(cache, work, width, height, drawing, told, given.kept, given.threads)
    report: dict[str, Any] = {
        "command": " ".join(["python", "benchmarks/interoperability/run.py", "CACHE", *_words(given)]),
        "machine": machine(),
        "settings": {"prompt": PROMPT, "seed": SEED, "size": given.size, "threads": given.threads, **drawing, **told},
        "packages": {name: versions(cache, name) for name in (REFERENCE, "openvino-genai", *EXPORTERS)},
        "rows": {},
    }
    found = prepare(task, pipeline, given.precisions)
    reference = drawn_by(REFERENCE, task, "pipeline", task.work / "pipeline")
    for name, (format_, folder) in found.items():
        if isinstance(folder, str):
            report["rows"][name] = {"format": format_, "exported": {"refused": folder}}
        else:
            report["rows"][name] = row(task, name, format_, folder, reference)
        path = store(f"interoperability-{pipeline.name}", report)
        print("\n".join(table({name: report["rows"][name]}).splitlines()[2:]), flush=True)
    print(f"\n{table(report['rows'])}\n\n{path}")


def _words(given: argparse.Namespace) -> list[str]:
    """The options that say what was drawn, as they are typed."""
    root = Path(__file__).parents[2]
    pipeline = given.pipeline.absolute()
    place = str(pipeline.relative_to(root)) if pipeline.is_relative_to(root) else pipeline.name
    options = _given(size=given.size, steps=given.steps, guidance=given.guidance, tokens=given.tokens)
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    return [place, *words, "--precisions", *given.precisions]


def _given(**options: Any) -> dict[str, Any]:  # noqa: ANN401 - what argparse found
    return {name: value for name, value in options.items() if value is not None}


if __name__ == "__main__":
    main()
