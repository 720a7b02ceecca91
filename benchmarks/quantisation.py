"""What each precision of each format costs and gives in each engine: size, error, pictures, time, memory.

    python -m benchmarks.quantisation SOURCE --name NAME --out DIR [--steps 20] [--guidance 2.5]
        [--rows onnx:int8 openvino:int8 ...] [--add] [--fp32 BUNDLE] [--work EMOJI_WORK]
        [--search-minutes 3] [--mixed-psnr 42]

The model is exported in fp32 once (or ``--fp32`` names that bundle); every row is made from it as ``edgediff export``
makes it and measured in every engine that reads it as ``docs/quality.md`` tells: on prompts that calibration has not
seen. Times and memory are those of a process of its own (``drawing.py``); the fp32 bundle in ONNX Runtime, which a
ratio is taken of, is measured right before and after. ``step_s`` is the clock's median;
``step_cpu_s`` the processor's seconds on one thread, to be read where others use the machine (``load_at_start``). With
``--work`` (of the emoji model, see ``benchmarks/models/emoji``) the task metric too: is the drawing nearest to a
picture the one that was asked for. Results, written anew after each row: ``results/quantisation-NAME.json``;
``--add`` keeps the rows that are there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, machine, run_child, store
from edgediff_exporters import TrialOptions, export
from edgediff_exporters.candidate import Recipe, make_candidate
from edgediff_exporters.families import family_of
from edgediff_exporters.precision import CALIBRATED, precision_by_role
from edgediff_exporters.progress import ignore
from edgediff_exporters.sources import open_source
from edgediff_exporters.trials import plan_trials
from edgediff_runtimes.bundle import MANIFEST_NAME, Bundle
from edgediff_runtimes.engines import get_engine
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality import Reference, Runner, attribute, make_reference, measure

ROWS = tuple(
    f"{format_}:{precision}"
    for format_, precisions in {
        "onnx": ("fp32", "fp16", "w16", "w8", "w4", "int8", "mixed"),
        "openvino": ("fp32", "fp16", "bf16", "w8", "w4", "int8", "mixed"),
    }.items()
    for precision in precisions
)
# The first of a format is what a bundle is drawn with where nothing is asked for.
ENGINES = {"onnx": ("onnxruntime", "openvino"), "openvino": ("openvino",)}
_SECONDS = ("step_s", "step_cpu_s", "decode_s")
_NAMES = 300  # asked for the task metric


def timed(folder: Path, engine: str, options: argparse.Namespace) -> dict[str, Any]:
    """Median seconds of a step and peaks of memory of a process that draws with a bundle."""
    script = Path(__file__).with_name("drawing.py")
    done = run_child([str(script), str(folder), engine, str(options.steps), str(options.guidance)])
    return {**done.output, "peak_rss": done.peak_rss, "peak_anonymous": done.peak_anonymous}


def made(row: str, fp32: Bundle, folder: Path, options: argparse.Namespace) -> tuple[Bundle, dict[str, Any]]:
    """The candidate of a row, and how it was searched for."""
    format_, precision = row.split(":")
    source = open_source(options.source, config=None)
    plans = family_of(source.index["_class_name"]).components(source)
    precisions = precision_by_role(precision, [plan.role for plan in plans], format_=format_)
    mixed = precision == "mixed"
    trials = plan_trials(
        TrialOptions(search_minutes=options.search_minutes, min_psnr=options.mixed_psnr) if mixed else TrialOptions(),
        calibrated=not {*precisions.values()}.isdisjoint(CALIBRATED),
        measured=row != "onnx:fp32",
        searched=mixed,
    )
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(fp32.path / "tokenizer", folder / "tokenizer")
    if (card := fp32.manifest.provenance.card) is not None:
        shutil.copyfile(fp32.path / card.path, folder / card.path)
    work = folder / "work"
    work.mkdir()
    components, search = make_candidate(Recipe(source, plans, format_, precisions, trials), fp32, folder, work, ignore)
    shutil.rmtree(work)
    manifest = replace(fp32.manifest, components=components)
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return Bundle.open(folder), {} if search is None else {"search": asdict(search)}


def measured(row: str, fp32: Bundle, reference: Reference, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of a row."""
    began = time.perf_counter()
    bundle, search = made(row, fp32, options.out / row.replace(":", "-"), options)
    made_s = time.perf_counter() - began
    parts = bundle.manifest.components
    reference.save(bundle.path)
    return {
        "bytes": {role: sum(file.bytes for file in part.files) for role, part in parts.items()},
        "precisions": {role: part.precision for role, part in parts.items()},
        "quantised": {
            role: {op: [count.quantised_weights, count.quantised_activations, count.total] for op, count in counts}
            for role, counts in ((role, part.operators.items()) for role, part in parts.items())
        },
        "alone": {role: asdict(alone) for role, alone in attribute(Runner(fp32), Runner(bundle), reference).items()},
        "engines": {
            engine: in_engine(engine, bundle, fp32, reference, options) for engine in ENGINES[parts["unet"].format]
        },
        "made_s": made_s,
        **search,
    }


def in_engine(
    engine: str, bundle: Bundle, fp32: Bundle, reference: Reference, options: argparse.Namespace
) -> dict[str, Any]:
    """What an engine makes of a bundle: nearness to fp32, time, memory, and the task metric where it is asked for."""
    report = measure(
        Runner(bundle, Placement(engine=get_engine(engine))), reference, record=reference.save(bundle.path)
    )
    before = timed(fp32.path, "onnxruntime", options)
    own = timed(bundle.path, engine, options)
    after = timed(fp32.path, "onnxruntime", options)
    return {
        "version": report.engine_version,
        "psnr_db": asdict(report.psnr_db),
        "ssim": asdict(report.ssim),
        "components": {role: asdict(component) for role, component in report.components.items()},
        **{f"{name}_ratio": own[name] / statistics.mean((before[name], after[name])) for name in _SECONDS},
        "process": own,
        "fp32_processes": [before, after],
        **({} if options.work is None else {"task": task_metric(bundle.path, engine, options)}),
    }


def task_metric(folder: Path, engine: str, options: argparse.Namespace) -> dict[str, float]:
    """Share of pictures whose nearest drawing is the one that was asked for by its name."""
    import numpy as np  # noqa: PLC0415 - only where the emoji's data are
    import torch  # noqa: PLC0415 - as above

    from benchmarks.models.emoji import data, recolour  # noqa: PLC0415 - as above
    from benchmarks.models.emoji.artists import open_artist  # noqa: PLC0415 - as above
    from benchmarks.models.emoji.compare import sampled  # noqa: PLC0415 - as above
    from benchmarks.models.emoji.evaluate import Album, grade  # noqa: PLC0415 - as above

    drawings = data.load(options.work)[1]
    album = Album(torch.from_numpy(np.concatenate([drawings, recolour.load(options.work)[1]])))
    asked = sampled(options.work, names=_NAMES, limit=1)["names"]
    artist = open_artist(folder, steps=options.steps, guidance=options.guidance, engine=engine)
    drawn = artist.draw([one.prompt for one in asked], seed=0)
    right, decibel = grade(drawn, album, asked, among=len(drawings))
    return {"asked": len(asked), "right": right, "psnr_db_to_drawing": decibel}


def table(rows: dict[str, Any]) -> str:
    """The rows as Markdown."""
    columns = ("precision", "format", "engine", "MB", "PSNR dB", "worst", "SSIM", "U-Net SNR dB", "step", "step CPU")
    lines = [f"| {' | '.join((*columns, 'peak MB', 'task'))} |", "|---" * (len(columns) + 2) + "|"]
    for row, found in rows.items():
        format_, precision = row.split(":")
        for engine, got in found["engines"].items():
            cells = (
                *(precision, format_, engine),
                f"{sum(found['bytes'].values()) / 1e6:.2f}",
                f"{got['psnr_db']['mean']:.1f}",
                f"{got['psnr_db']['worst']:.1f}",
                f"{got['ssim']['mean']:.4f}",
                f"{got['components']['unet']['snr_db']:.1f}",
                f"{got['step_s_ratio']:.2f}",
                f"{got['step_cpu_s_ratio']:.2f}",
                f"{got['process']['peak_rss'] / 1e6:.0f}",
                f"{got['task']['right']:.3f}" if "task" in got else "-",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Make, measure, store, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=2.5)
    parser.add_argument("--rows", nargs="+", default=ROWS, choices=ROWS)
    parser.add_argument("--fp32", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--search-minutes", type=float, default=3.0)
    parser.add_argument("--mixed-psnr", type=float, default=42.0, help="what `mixed` is to reach, in dB")
    parser.add_argument("--add", action="store_true", help="keep the stored rows that are not measured now")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    defaults = {"steps": options.steps, "guidance": options.guidance}
    folder = options.fp32 or options.out / "fp32"
    if not folder.exists():
        export(options.source, folder, defaults=defaults)
    fp32 = Bundle.open(folder)
    fp32 = replace(fp32, manifest=replace(fp32.manifest, defaults=replace(fp32.manifest.defaults, **defaults)))
    reference = make_reference(Runner(fp32))
    found: dict[str, Any] = {"machine": machine(), "settings": defaults, "rows": {}}
    stored = RESULTS / f"quantisation-{options.name}.json"
    if options.add and stored.is_file():
        found["rows"] = json.loads(stored.read_text(encoding="utf-8"))["rows"]
    for row in options.rows:
        found["rows"][row] = measured(row, fp32, reference, options)
        store(f"quantisation-{options.name}", found)
        print("\n".join(table({row: found["rows"][row]}).splitlines()[2:]), flush=True)
    print(table(found["rows"]))


if __name__ == "__main__":
    main()
