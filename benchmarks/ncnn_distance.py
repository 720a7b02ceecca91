"""A model with ncnn, on the processor and through Vulkan: how far its components and its pictures are from fp32's.

    .venv/bin/python benchmarks/ncnn_distance.py benchmarks/models/emoji/pipelines/emoji-lcm FOLDER

Needs ``pnnx`` and ``.[ncnn]``. FOLDER gets the bundles, which are taken where they are there,
the pictures, and ``distance.json``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

import edgediff
from edgediff_exporters.host_time import fed_outside, has_time_inside
from edgediff_exporters.ncnn import export_ncnn_component
from edgediff_exporters.opening import open_model
from edgediff_runtimes.bundle import MANIFEST_NAME, Bundle
from edgediff_runtimes.engines import get_engine
from edgediff_runtimes.engines.tapping import TappingEngine
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.recipe.declarations import TimeSinusoid

PROMPTS = ("a red apple", "a cat with a hat", "a sailing boat", "a slice of pizza")
PLACES = ("cpu", "vulkan")


def convert(source: str, fp32: Path, folder: Path, precision: str) -> None:
    """A copy of a bundle whose components are ncnn's, of the size that it recommends."""
    opened = open_model(source, config=None)
    known = Bundle.open(fp32)
    shutil.copytree(fp32, folder, ignore=lambda _, names: [name for name in names if name in known.manifest.components])
    lengths = lengths_of(known)
    uses = [*known.manifest.recipe.graphs()]
    components, outside = {}, {}
    for plan in opened.plans:
        taken = {name for use in uses if use.role == plan.role for name in use.takes}
        config = opened.source.config(plan.origin)
        if has_time_inside(plan, config):
            outside[plan.role] = config
        components[plan.role] = export_ncnn_component(
            opened.source,
            plan,
            folder,
            precision,
            lengths=lengths[plan.role],
            outputs=taken,
            on_progress=lambda _: None,
        )
        checks = ", ".join(f"{check.error:.1e}" for check in components[plan.role].checks)
        print(f"{plan.role}: largest error over largest value {checks}")
    recipe = fed_outside(known.manifest.recipe, outside)
    manifest = replace(known.manifest, components=components, recipe=recipe, quality=None)
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")


def lengths_of(bundle: Bundle) -> dict[str, dict[str, int]]:
    """The lengths of each component's axes in the calls of a picture; of an encoder of pictures, those of one."""
    manifest, seen = bundle.manifest, {}

    def see(role: str, feeds: dict[str, np.ndarray], _outputs: dict[str, np.ndarray]) -> None:
        seen[role] = {
            axis: length
            for spec in manifest.components[role].inputs
            for axis, length in zip(spec.shape, feeds[spec.name].shape, strict=True)
            if isinstance(axis, str)
        }

    engine = TappingEngine(get_engine("onnxruntime"), see)
    with edgediff.load(bundle.path, engine=engine) as pipeline:
        pipeline("a word", steps=1, guidance=1.0)
    for role in manifest.recipe.encoders:
        seen.setdefault(
            role, {"batch": 1, "height": manifest.defaults.height or 0, "width": manifest.defaults.width or 0}
        )
    return seen


def record(fp32: Path) -> tuple[dict[str, list], list[Image.Image]]:
    """What fp32 draws, and what each of its components was fed and gave."""
    calls: dict[str, list] = {}

    def see(role: str, feeds: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> None:
        calls.setdefault(role, []).append((dict(feeds), dict(outputs)))

    with edgediff.load(fp32, engine=TappingEngine(get_engine("onnxruntime"), see)) as pipeline:
        pictures = [pipeline(prompt, seed=seed).images[0] for seed, prompt in enumerate(PROMPTS)]
    return calls, pictures


def decibels(got: np.ndarray, expected: np.ndarray) -> float:
    """Signal over the difference."""
    expected = expected.astype(np.float64)
    noise = np.square(got - expected).mean()
    return float(10 * np.log10(np.square(expected).mean() / max(noise, 1e-30)))


def measure(bundle: Path, calls: dict[str, list], pictures: list[Image.Image], device: str, folder: Path) -> dict:
    """The distances of a bundle on a device."""
    own = Bundle.open(bundle)
    report: dict = {"components": {}, "pictures": []}
    part = next((part for part in own.manifest.recipe.first.network if isinstance(part, TimeSinusoid)), None)
    for role, seen in calls.items():
        engine, options = get_engine("ncnn"), Placement().options_of(role)
        with engine.load(own.graph(role), device=device, options=options) as session:
            found = []
            for feeds, outputs in seen:
                given = dict(feeds)
                if part is not None and "timestep" in given:
                    given["timestep"] = sinusoid(part, given["timestep"])
                got = session.run({name: given[name] for name in session.inputs})
                found += [decibels(array, outputs[name]) for name, array in got.items()]
            shares = {
                name: {"nodes": share.nodes, "time": share.time} for name, share in sorted(session.shares().items())
            }
            report["components"][role] = {"snr_db": min(found), "shares": shares, "left": session.left()}
    since = time.perf_counter()
    with edgediff.load(bundle, device=device) as pipeline:
        results = [pipeline(prompt, seed=seed) for seed, prompt in enumerate(PROMPTS)]
    report["seconds_a_picture"] = (time.perf_counter() - since) / len(PROMPTS)
    for index, (result, expected) in enumerate(zip(results, pictures, strict=True)):
        result.images[0].save(folder / f"{device}-{index}.png")
        one, other = (np.asarray(image, np.int16) for image in (result.images[0], expected))
        off = np.abs(one - other)
        psnr = float(10 * np.log10(255**2 / max(np.square(off.astype(np.float64)).mean(), 1e-12)))
        report["pictures"].append({"psnr_db": min(psnr, 120.0), "levels": int(off.max())})
    return report


def sinusoid(part: TimeSinusoid, times: np.ndarray) -> np.ndarray:
    """The part's work, outside of a run."""
    from types import SimpleNamespace  # noqa: PLC0415

    from edgediff_runtimes.parts.times import time_sinusoid  # noqa: PLC0415
    from edgediff_runtimes.parts.values import Value  # noqa: PLC0415

    context = SimpleNamespace(values={part.name: Value(times)})
    (value,) = time_sinusoid(part, context).values()
    return value.array


def main() -> None:
    """Convert, draw, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--device", action="append", help="which devices; by default those that are there")
    parser.add_argument("--at-least", type=float, default=0.0, help="dB of every component on the processor")
    parser.add_argument("--at-least-vulkan", type=float, default=0.0, help="dB of every component on a GPU")
    asked = parser.parse_args()
    asked.folder.mkdir(exist_ok=True, parents=True)
    fp32, ncnn = asked.folder / "fp32", asked.folder / f"ncnn-{asked.precision}"
    if not fp32.exists():
        edgediff.export(asked.source, fp32)
    if not ncnn.exists():
        convert(asked.source, fp32, ncnn, asked.precision)
    calls, pictures = record(fp32)
    for index, picture in enumerate(pictures):
        picture.save(asked.folder / f"fp32-{index}.png")
    there = [device.name for device in get_engine("ncnn").devices()]
    report = {}
    for device in asked.device or [name for name in there if name.partition(".")[0] in PLACES]:
        report[device] = measure(ncnn, calls, pictures, device, asked.folder)
        print(device, json.dumps(report[device], indent=1))
    (asked.folder / "distance.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for device, found in report.items():
        least = asked.at_least if device == "cpu" else asked.at_least_vulkan
        for role, figures in found["components"].items():
            if figures["snr_db"] < least:
                sys.exit(f"{role} on {device}: {figures['snr_db']:.1f} dB, expected at least {least:g}")


if __name__ == "__main__":
    main()
