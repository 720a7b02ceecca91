"""Make ``families/``: for a tiny random model of every family, what diffusers draws, and all calls of its graphs.

    python tests/golden/make_family_goldens.py            # all, a minute
    python tests/golden/make_family_goldens.py flux-dev   # one

Needs torch, diffusers and transformers; which, the manifests say. The models are those of the parity tests; in place of
each graph stands the module that it would be traced from, called as the export calls it. What is drawn here with these
must be what diffusers draws, in latents and pictures, or nothing is written. ``NAME.zip`` holds ``bundle/``, whole but
for the graphs, whose files are empty; ``configs.json``, from which its family makes the recipe; and ``drawn.npz``:
``asked``, JSON, what was drawn; for each, ``N/latents``, diffusers' final latents, ``N/image`` and ``N/mask``, what it
was drawn from, if any, and for each call ``N/CALL/ROLE/in/NAME`` and ``N/CALL/ROLE/out/NAME``, whole arrays. Decoded
pictures are compared here and not kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from drawn_by_families import MODELS, PLANS, Model, Plan, Start, module_of

import edgediff
from edgediff_exporters.opening import OpenedModel, open_model
from edgediff_exporters.reference import run_reference
from edgediff_exporters.tokenizers import write_tokenizer
from edgediff_runtimes.bundle import Component, FileEntry, Manifest, Provenance
from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.tensors import TensorSpec

HERE = Path(__file__).parent
TARGETS = HERE / "families"
BOUND, LEVELS = 1e-4, 2  # of latents, relative to the largest; of pictures
BEGINNING = (1980, 1, 1, 0, 0, 0)  # of time, for archives
BATCH = 2
SIZE = (24, 16)  # pixels, where a family takes any size: a fifth of the parity tests'


def main(names: list[str]) -> None:
    """Those of the names, or all."""
    models = module_of(HERE.parent / "exporters" / "conftest.py")
    TARGETS.mkdir(exist_ok=True)
    for name in names or MODELS:
        model = MODELS[name]
        with tempfile.TemporaryDirectory() as folder:
            source, golden = Path(folder) / "source", Path(folder) / "golden"
            model.build(source, tokenizer=models.write_tokenizer, perturb=models.perturb)
            opened = open_model(source, config=None)
            write_bundle(opened, golden / "bundle", name)
            configs = asdict(opened.source.configs())
            (golden / "configs.json").write_text(json.dumps(configs), encoding="utf-8")
            np.savez(golden / "drawn.npz", **drawn(model, source, opened, golden / "bundle"))
            pack(golden, TARGETS / f"{name}.zip")
        print(name, (TARGETS / f"{name}.zip").stat().st_size, flush=True)  # noqa: T201 - a script reports by printing


def write_bundle(opened: OpenedModel, folder: Path, name: str) -> None:
    """All that an export writes for a run, with empty files in place of the graphs."""
    components = {}
    for plan in opened.plans:
        (folder / plan.role).mkdir(parents=True)
        (folder / plan.role / "model.onnx").touch()
        inputs = tuple(TensorSpec(one.name, str(one.dtype).removeprefix("torch."), one.shape) for one in plan.inputs)
        outputs = tuple(TensorSpec(one, "float32", ()) for one in plan.outputs)
        files = (FileEntry(f"{plan.role}/model.onnx", 0, hashlib.sha256(b"").hexdigest()),)
        components[plan.role] = Component("onnx", "fp32", files, inputs, outputs)
    manifest = Manifest(
        family=opened.family.name,
        recipe=opened.recipe,
        components=components,
        scheduler=opened.scheduler(steps=opened.defaults.steps),
        tokenizers=tuple(
            write_tokenizer(opened.source, one, folder, reader=opened.reader(one)) for one in opened.recipe.tokenizers
        ),
        defaults=opened.defaults,
        provenance=Provenance(source=name, tools={one: version(one) for one in ("torch", "diffusers", "transformers")}),
    )
    (folder / "edgediff.json").write_text(manifest.to_json(), encoding="utf-8")


def asked_of(model: Model) -> list[tuple[Plan, Start]]:
    """The last plan, which has all that can be asked for, for two pictures; for one where it starts from another.

    Into pictures both are drawn: one of these from noise alone.
    """
    guidance, negative, _, size = model.plans[-1][0]
    if size == PLANS[-1][3]:
        size = SIZE
    pictures = 1 if "noise" in model.starts else BATCH
    counts: dict[Start, tuple[int, ...]] = {"noise": (BATCH,), "image": (pictures,), "mask": (BATCH, 1)}
    return [((guidance, negative, count, size), start) for start in model.starts for count in counts[start]]


def drawn(model: Model, source: Path, opened: OpenedModel, bundle: Path) -> dict[str, np.ndarray]:
    """What diffusers draws, and the calls with which edgediff draws the same."""
    pipeline, calls = model.load(source), []
    plans = {plan.role: plan for plan in opened.plans}
    last = opened.recipe.graphs()[-1].role

    def compute(role: str, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        plan = plans[role]
        weights = opened.source.weights(plan.origin).renamed(plan.rename)
        tensors = [torch.from_numpy(np.array(feeds[one.name])) for one in plan.inputs]
        (outputs,) = run_reference(plan, opened.source.config(plan.origin), weights, [tensors])
        named = dict(zip(plan.outputs, (one.numpy() for one in outputs), strict=True))
        calls.append((role, dict(feeds), {} if role == last and "vae" in role else named))
        return named

    asked, arrays = [], {}
    for index, (plan, start) in enumerate(asked_of(model)):
        latents, images = model.drawn(pipeline, plan, start=start)
        prompt, options = model.asked(plan, start=start)
        with edgediff.load(bundle, engine=FakeEngine(compute)) as ours:
            result = ours(prompt, **options)
        error = np.abs(result.latents - latents).max() / np.abs(latents).max()
        levels = max(
            np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max()
            for a, b in zip(result.images, images, strict=True)
        )
        print(model.name, asked_of(model)[index], f"{error:.1e} of the largest, {levels} levels")  # noqa: T201 - as above
        if not (error <= BOUND and levels <= LEVELS):
            raise SystemExit(f"{model.name} is not drawn as diffusers draws it")
        for name in options.keys() & {"image", "mask"}:
            arrays[f"{index}/{name}"] = np.asarray(options.pop(name))
        arrays[f"{index}/latents"] = latents
        for number, (role, feeds, outputs) in enumerate(calls):
            arrays |= {f"{index}/{number}/{role}/in/{name}": array for name, array in feeds.items()}
            arrays |= {f"{index}/{number}/{role}/out/{name}": array for name, array in outputs.items()}
        calls.clear()
        asked.append({"prompt": prompt, **options})
    return {"asked": np.array(json.dumps(asked)), **arrays}


def pack(folder: Path, target: Path) -> None:
    """All files of a folder, in an archive that depends on nothing else."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), BEGINNING)
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_LZMA)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1:])
