"""A model as Core ML packages, computed by us: how far their pictures are from fp32's, and what the packages hold.

    .venv/bin/python benchmarks/coreml_distance.py benchmarks/models/emoji/pipelines/emoji-lcm FOLDER

Needs ``.[coreml]``. FOLDER gets the bundles, which are taken where they are there, and ``distance.json``. Core ML is
not run: what the packages' files say is computed operator by operator, see ``edgediff_exporters.coreml.evaluating``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch

import edgediff
from edgediff_exporters.coreml.evaluating import PackageProgram
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.engines.coreml_names import feature_of, package_of
from edgediff_runtimes.quality.measures import psnr_db

PROMPTS = ("a red apple", "a cat with a hat", "a sailing boat", "a slice of pizza")
PRECISIONS = ("fp32", "fp16", "w8")


def exported(source: str, folder: Path, precision: str) -> Bundle:
    """The model for Core ML, of the size that it recommends."""
    if not folder.exists():
        unmeasured = {} if precision == "fp32" else {"evaluation_pictures": 0}
        edgediff.export(source, folder, target="coreml", precision=precision, **unmeasured)
    return Bundle.open(folder)


def computing(bundle: Bundle) -> FakeEngine:
    """An engine that computes a bundle's packages in place of its graphs."""

    @cache
    def program(role: str) -> PackageProgram:
        (graph,) = bundle.manifest.components[role].fixed
        return PackageProgram(role, package_of(bundle.path / graph.file))

    def run(role: str, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        told = {feature_of(name): torch.from_numpy(array) for name, array in feeds.items()}
        names = [spec.name for spec in bundle.manifest.components[role].outputs]
        computed = program(role).run(told)
        return {name: tensor.float().numpy() for name, tensor in zip(names, computed, strict=True)}

    return FakeEngine(run, lower={"f16": run})


def drawn(bundle: Bundle, engine: FakeEngine | None = None) -> list[np.ndarray]:
    """A picture of each prompt."""
    with edgediff.load(bundle.path, engine=engine) as pipeline:
        results = [pipeline(prompt, seed=seed) for seed, prompt in enumerate(PROMPTS)]
    return [np.asarray(result.images[0]) for result in results]


def about(bundle: Bundle) -> dict:
    """What the packages of a bundle are: bytes, error, operators."""
    found = {}
    for role, component in bundle.manifest.components.items():
        for graph in component.fixed:
            if (package := graph.package) is not None:
                program = PackageProgram(role, package_of(bundle.path / graph.file))
                found[role] = {
                    "bytes": sum(entry.bytes for entry in package.files),
                    "error": package.error,
                    "operators": dict(program.operators.most_common()),
                }
    return found


def main() -> int:
    """Measure, print, and compare with what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--at-least", type=float, nargs=3, default=(0.0, 0.0, 0.0), metavar="DB", help="in fp32, fp16, w8"
    )
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    bundles = {name: exported(asked.source, asked.folder / name, name) for name in PRECISIONS}
    expected = drawn(bundles["fp32"])  # its ONNX graphs, in ONNX Runtime
    report, good = {}, True
    for (name, bundle), least in zip(bundles.items(), asked.at_least, strict=True):
        packages, graphs = drawn(bundle, computing(bundle)), drawn(bundle)
        decibels = {
            "packages": [psnr_db(one, other) for one, other in zip(packages, expected, strict=True)],
            "graphs": [psnr_db(one, other) for one, other in zip(graphs, expected, strict=True)],
        }
        report[name] = {"psnr_db": decibels, "components": about(bundle)}
        good &= min(decibels["packages"]) >= least
        print(f"{name}: pictures of the packages {_said(decibels['packages'])}, of the graphs beside them", end=" ")
        print(_said(decibels["graphs"]))
        for role, part in report[name]["components"].items():
            print(f"  {role}: {part['bytes']:,} bytes, error {part['error']:.1e}")
    (asked.folder / "distance.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if good else 1


def _said(decibels: list[float]) -> str:
    return f"{min(decibels):.1f} to {max(decibels):.1f} dB"


if __name__ == "__main__":
    sys.exit(main())
