"""The same work by edgediff and by each peer, in turns: time, memory, start, size, and how alike the pictures are.

    python benchmarks/peers/run.py CACHE PIPELINE BUNDLE [--int8 BUNDLE8] [--size 512x512] [--steps 4] [--rounds 2]

CACHE is what ``environments.py`` filled. Each round starts one fresh process for each peer, one after the other; it
imports, loads, draws a picture of four steps without guidance (the cold start, and the work of a few-step model) and
then a guided one of ``--steps`` steps. All use the Euler sampler, the same threads, prompt, size and, where the peer
allows it, the same initial noise. Before each process the system is asked to drop the model's files from its page
cache. ``scaled_20_steps_s`` is worked out: the measured picture's time, plus the median step for the steps that are
missing to twenty. Results: ``results/peers-NAME.json``, written anew after every process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from environments import PEERS, driver_of, installed_bytes, prepared, python_of, versions
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from harness import Child, ChildError, machine, run_child, store, summary

from edgediff.bench.summaries import paired_ratios
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.noise import noise_source

FEW_STEPS = {"steps": 4, "guidance": 1.0}
FULL_STEPS = 20
# environment -> the entry of the job that says what it reads; the others read their own conversion
READS = {"edgediff": "bundle", "edgediff-openvino": "bundle", "diffusers": "pipeline", "sdcpp": "pipeline"}


def job_for(given: argparse.Namespace, name: str, folder: Path) -> dict[str, Any]:
    """What a driver is told."""
    environment, settings = PEERS[name]
    width, height = map(int, given.size.split("x"))
    job = {
        "driver": driver_of(environment),
        "sampler": "euler",
        "bundle": str(given.bundle),
        "noise": str(folder / "noise.npy"),
        "picture": str(folder / f"{name.replace(' ', '-')}.png"),
        "width": width,
        "height": height,
        "threads": given.threads,
        "first": FEW_STEPS,
        "measured": {"steps": settings.get("steps", given.steps), "guidance": given.guidance},
        **{key: str(path) for key, path in prepared(given.cache, given.pipeline).items()},
        **settings,
    }
    if settings.get("model") == "edgediff-int8":
        job[READS.get(environment, environment)] = str(given.int8)
    return job


def process(given: argparse.Namespace, name: str, job: dict[str, Any], **variables: str) -> Child:
    """A fresh process of a peer, with these environment variables."""
    return run_child(
        [str(Path(__file__).with_name("driving.py")), json.dumps(job)],
        python=python_of(given.cache, PEERS[name][0]),
        environment={**os.environ, "OMP_NUM_THREADS": str(given.threads), "HF_HUB_OFFLINE": "1", **variables},
    )


def one(given: argparse.Namespace, name: str, job: dict[str, Any]) -> dict[str, Any]:
    """One process of one peer, whose files are not in the page cache, nor graphs in edgediff's own."""
    forget(model_of(name, job))
    with tempfile.TemporaryDirectory() as cache:
        child = process(given, name, job, EDGEDIFF_CACHE=cache)
    begins = {phase: at for at, phase in child.marks}
    few, measured = child.output["first"], child.output["measured"]
    missing = FULL_STEPS - job["measured"]["steps"]
    steps = summary(measured["steps_s"])["median"]
    network = measured["network_s"][1:]  # the first step's beginning is not seen, see driving.py
    alike = len(network) == len(measured["steps_s"])  # with reuse some steps have no call
    around = [step - call for step, call in zip(measured["steps_s"], network, strict=True)] if alike else []
    return {
        **child.output,
        "cold_start_s": begins["measured picture"],
        "few_step_total_s": few["total_s"],
        "step_s": steps,
        "overhead_step_s": summary(around)["median"] if around else None,
        "decode_s": measured["after_steps_s"],
        "total_s": measured["total_s"],
        "scaled_20_steps_s": measured["total_s"] + missing * steps,
        "cpu_s": measured["cpu_s"],
        "peak_rss_bytes": child.peak_rss,
        "peak_anonymous_bytes": child.peak_anonymous,
    }


def model_of(name: str, job: dict[str, Any]) -> Path:
    """The files that a peer reads."""
    environment, _ = PEERS[name]
    return Path(job[READS.get(environment, environment)])


def forget(folder: Path) -> None:
    """Ask the system to drop files from its page cache; only Linux can be asked."""
    for file in folder.rglob("*") if sys.platform == "linux" else ():
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


METRICS: dict[str, Callable[[dict[str, Any]], float | None]] = {
    name: lambda row, name=name: row[name]  # type: ignore[misc]
    for name in (
        "import_s",
        "cold_start_s",
        "few_step_total_s",
        "step_s",
        "overhead_step_s",
        "decode_s",
        "total_s",
        "scaled_20_steps_s",
        "cpu_s",
        "peak_rss_bytes",
        "peak_anonymous_bytes",
    )
}


def summarised(rounds: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each peer's medians, and its ratios to edgediff round by round: above 1, the peer takes more."""
    ours = rounds["edgediff"]
    for name, rows in rounds.items():
        medians, ratios = {}, {}
        for metric, read in METRICS.items():
            values, base = [[value for row in side if (value := read(row)) is not None] for side in (rows, ours)]
            if values:
                medians[metric] = summary(values)
                ratios[metric] = paired_ratios(values, base)
        yield name, {"medians": medians, "to_edgediff": ratios}


def likeness(folder: Path, names: list[str]) -> dict[str, float | None]:
    """Peak signal-to-noise ratio in dB of each picture to that of diffusers in fp32; None: the same pixels."""
    reference = folder / "diffusers-fp32.png"
    if not reference.exists():
        return {}
    found = {}
    for name in names:
        path = folder / f"{name.replace(' ', '-')}.png"
        if path.exists() and path != reference:
            pixels = [np.asarray(Image.open(file).convert("RGB"), np.float64) for file in (path, reference)]
            error = float(np.mean((pixels[0] - pixels[1]) ** 2))
            found[name] = None if error == 0 else float(10 * np.log10(255**2 / error))
    return found


def measure(given: argparse.Namespace) -> None:
    """All rounds; the result is stored after every process."""
    name = given.name or given.pipeline.name
    folder = given.cache / "pictures" / name
    folder.mkdir(parents=True, exist_ok=True)
    space = Bundle.open(given.bundle).manifest.recipe.first.space
    width, height = map(int, given.size.split("x"))
    shape = (1, space.channels, height // space.factor, width // space.factor)
    np.save(folder / "noise.npy", noise_source(0, "torch-cpu").standard_normal(shape))
    used = {PEERS[peer][0] for peer in given.only}
    report: dict[str, Any] = {
        "partial": True,
        "note": given.note,
        "machine": machine(),
        "settings": {name: str(getattr(given, name)) for name in ("size", "steps", "guidance", "threads", "rounds")},
        "environments": {peer: PEERS[peer][0] for peer in given.only},
        "installed_bytes": {environment: installed_bytes(given.cache, environment) for environment in sorted(used)},
        "packages": {environment: versions(given.cache, environment) for environment in sorted(used)},
        "failed": {},
    }
    rounds: dict[str, list[dict[str, Any]]] = {peer: [] for peer in given.only}
    for index in range(given.rounds):
        for peer in given.only:
            if peer in report["failed"]:
                continue
            try:
                row = one(given, peer, job_for(given, peer, folder))
            except ChildError as error:
                report["failed"][peer] = str(error)
                print(f"{peer}: {error}")
                continue
            rounds[peer].append(row)
            print(
                f"round {index + 1} {peer:20} start {row['cold_start_s']:7.2f} s  step {row['step_s']:7.3f} s  "
                f"decode {row['decode_s']:6.2f} s  peak {row['peak_rss_bytes'] / 1e9:5.2f} GB",
                flush=True,
            )
            report["peers"] = dict(summarised({peer: rows for peer, rows in rounds.items() if rows}))
            alike = [peer for peer in rounds if PEERS[peer][1].get("steps", given.steps) == given.steps]
            report["psnr_to_diffusers_fp32_db"] = likeness(folder, alike)
            report["rounds"] = rounds
            store(f"peers-{name}", report)
    report["partial"] = False
    print(store(f"peers-{name}", report))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("pipeline", type=Path, help="a diffusers directory")
    parser.add_argument("bundle", type=Path, help="what edgediff exported from it")
    parser.add_argument("--int8", type=Path, help="the same model as edgediff's OpenVINO bundle of precision int8")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), help="edgediff must be among them")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--steps", type=int, default=4, help="of the guided picture, two at least")
    parser.add_argument("--guidance", type=float, default=7.5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--name", help="of the result file")
    parser.add_argument("--note", default="", help="stored with the result")
    given = parser.parse_args()
    if given.steps < 2 or "edgediff" not in given.only:
        parser.error("expected at least two steps, and edgediff among the peers")
    if given.int8 is None:
        given.only = [peer for peer in given.only if PEERS[peer][1].get("model") != "edgediff-int8"]
    given.cache, given.pipeline, given.bundle = (path.resolve() for path in (given.cache, given.pipeline, given.bundle))
    measure(given)


if __name__ == "__main__":
    main()
