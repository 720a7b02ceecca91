"""What each precision of each format costs and gives, for one model: size, error, pictures, time, memory.

    python -m benchmarks.quantisation SOURCE --name NAME --out DIR [--steps 20] [--guidance 2.5]
        [--rows onnx:int8 openvino:int8 ...] [--fp32 BUNDLE] [--work EMOJI_WORK] [--search-minutes 3]

The model is exported in fp32 once (or ``--fp32`` names that bundle); every row is made from it as ``edgediff export``
makes it and measured as ``docs/quality.md`` tells: on prompts that calibration has not seen. Times and memory are those
of a process of its own that draws one picture three times; the fp32 bundle in ONNX Runtime, which a ratio is taken of,
is measured right before and after. ``step_s`` is the clock's median; ``step_cpu_s`` the processor's seconds on one
thread, to be read where others use the machine (``load_at_start``). With ``--work`` (of the emoji model, see
``benchmarks/models/emoji``) the task metric too: is the drawing nearest to a picture the one that was asked for.
Results, written anew after each row: ``results/quantisation-NAME.json``.
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

from benchmarks.harness import machine, run_child, store
from edgediff_exporters import TrialOptions, export
from edgediff_exporters.candidate import Recipe, make_candidate
from edgediff_exporters.families import family_of
from edgediff_exporters.precision import CALIBRATED, precision_by_role
from edgediff_exporters.progress import ignore
from edgediff_exporters.sources import open_source
from edgediff_exporters.trials import plan_trials
from edgediff_runtimes.bundle import MANIFEST_NAME, Bundle
from edgediff_runtimes.quality import Reference, Runner, attribute, make_reference, measure
from edgediff_runtimes.results import Timings

ROWS = tuple(
    f"{format_}:{precision}"
    for format_, precisions in {
        "onnx": ("fp32", "fp16", "w16", "w8", "w4", "int8", "mixed"),
        "openvino": ("fp32", "fp16", "bf16", "w8", "w4", "int8", "mixed"),
    }.items()
    for precision in precisions
)
_RUNS = 3
_SECONDS = ("step_s", "step_cpu_s", "decode_s")
_NAMES = 300  # asked for the task metric


def child(folder: str, steps: int, guidance: float) -> None:
    """Draw one picture some times; prints the seconds of a step and of decoding, but for the first run's."""
    import edgediff  # noqa: PLC0415 - only the child pays for it

    def draw(pipeline: edgediff.Pipeline) -> Timings:
        return pipeline("a red apple", seed=0, steps=steps, guidance=guidance).timings

    with edgediff.load(Path(folder)) as pipeline:
        runs = [draw(pipeline) for _ in range(_RUNS)][1:]
    with edgediff.load(Path(folder), threads=1) as pipeline:
        draw(pipeline)
        began = time.process_time()
        draw(pipeline)
        cpu = time.process_time() - began
    seconds = [second for timings in runs for second in timings.steps_s]
    decode_s = min(timings.decode_s for timings in runs)
    print(json.dumps({"step_s": statistics.median(seconds), "decode_s": decode_s, "step_cpu_s": cpu / steps}))


def timed(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Median seconds of a step and peaks of memory of a process that draws with a bundle."""
    words = ["-m", "benchmarks.quantisation", "--child", str(folder), str(options.steps), str(options.guidance)]
    done = run_child(words)
    return {**done.output, "peak_rss": done.peak_rss, "peak_anonymous": done.peak_anonymous}


def made(row: str, fp32: Bundle, folder: Path, options: argparse.Namespace) -> tuple[Bundle, dict[str, Any]]:
    """The candidate of a row, and how it was searched for."""
    format_, precision = row.split(":")
    source = open_source(options.source, config=None)
    plans = family_of(source.index["_class_name"]).components(source)
    precisions = precision_by_role(precision, [plan.role for plan in plans], format_=format_)
    minutes = options.search_minutes if precision == "mixed" else None
    trials = plan_trials(
        TrialOptions(search_minutes=minutes),
        calibrated=not {*precisions.values()}.isdisjoint(CALIBRATED),
        measured=row != "onnx:fp32",
        searched=precision == "mixed",
    )
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(fp32.path / "tokenizer", folder / "tokenizer")
    work = folder / "work"
    work.mkdir()
    components, search = make_candidate(Recipe(source, plans, format_, precisions, trials), fp32, folder, work, ignore)
    shutil.rmtree(work)
    manifest = replace(fp32.manifest, components=components)
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return Bundle.open(folder), {} if search is None else {"search": asdict(search)}


def measured(row: str, fp32: Bundle, reference: Reference, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of a row but the task metric."""
    began = time.perf_counter()
    bundle, search = made(row, fp32, options.out / row.replace(":", "-"), options)
    made_s = time.perf_counter() - began
    report = measure(Runner(bundle), reference, record=reference.save(bundle.path))
    report = report.with_attribution(attribute(Runner(fp32), Runner(bundle), reference))
    parts = bundle.manifest.components
    before, own, after = timed(fp32.path, options), timed(bundle.path, options), timed(fp32.path, options)
    return {
        "bytes": {role: sum(file.bytes for file in part.files) for role, part in parts.items()},
        "precisions": {role: part.precision for role, part in parts.items()},
        "quantised": {
            role: {op: [count.quantised_weights, count.quantised_activations, count.total] for op, count in counts}
            for role, counts in ((role, part.operators.items()) for role, part in parts.items())
        },
        "engine": f"{report.engine} {report.engine_version}",
        "psnr_db": asdict(report.psnr_db),
        "ssim": asdict(report.ssim),
        "components": {role: asdict(component) for role, component in report.components.items()},
        **{f"{name}_ratio": own[name] / statistics.mean((before[name], after[name])) for name in _SECONDS},
        "process": own,
        "fp32_processes": [before, after],
        "made_s": made_s,
        **search,
    }


def task_metric(folder: Path, options: argparse.Namespace) -> dict[str, float]:
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
    drawn = open_artist(folder, steps=options.steps, guidance=options.guidance).draw(
        [one.prompt for one in asked], seed=0
    )
    right, decibel = grade(drawn, album, asked, among=len(drawings))
    return {"asked": len(asked), "right": right, "psnr_db_to_drawing": decibel}


def table(rows: dict[str, Any]) -> str:
    """The rows as Markdown."""
    columns = ("row", "MB", "PSNR dB", "SSIM", "U-Net SNR dB", "step", "step CPU", "peak MB", "task")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row, found in rows.items():
        cells = (
            row,
            f"{sum(found['bytes'].values()) / 1e6:.2f}",
            f"{found['psnr_db']['mean']:.2f}",
            f"{found['ssim']['mean']:.4f}",
            f"{found['components']['unet']['snr_db']:.1f}",
            f"{found['step_s_ratio']:.2f}",
            f"{found['step_cpu_s_ratio']:.2f}",
            f"{found['process']['peak_rss'] / 1e6:.0f}",
            f"{found['task']['right']:.3f}" if "task" in found else "-",
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
    for row in options.rows:
        figures = measured(row, fp32, reference, options)
        if options.work is not None:
            figures["task"] = task_metric(options.out / row.replace(":", "-"), options)
        found["rows"][row] = figures
        store(f"quantisation-{options.name}", found)
        print(table({row: figures}).splitlines()[-1], flush=True)
    print(table(found["rows"]))


if __name__ == "__main__":
    import sys

    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
