"""The bundles that ship in the package, made again from the pipelines that are kept here.

    python -m benchmarks.models.emoji.ship

``--tune`` leaves the bundles as they are and finds only the schedules of reuse again (`docs/reuse.md`).

Both in ``w8``: matrices in int8 with a scale per output channel, arithmetic in float32. `docs/models.md` tells what
that costs; `compare.py` measures it and writes the metric of the task into both manifests.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import edgediff
from edgediff_exporters import TrialOptions, export
from edgediff_runtimes.bundle import MANIFEST_NAME, Manifest, TaskMetric

PIPELINES = Path(__file__).parent / "pipelines"
SHIPPED = Path(__file__).parents[3] / "edgediff" / "models"
PRECISION = "w8"
# Each bundle carries what fp32 draws of these prompts, and how far it is from that; below the floor nothing ships.
_MEASURED = TrialOptions(evaluate=Path(__file__).parent / "evaluated.txt", min_psnr=42.0)
DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "emoji": {"steps": 20, "guidance": 2.5},
    "emoji-lcm": {"steps": 4, "guidance": 1},
}

# Guidance, and the floors in dB of the mean and of the worst tenth, of each schedule of reuse that a bundle carries.
TUNED: Mapping[str, tuple[tuple[float, float, float], ...]] = {"emoji": ((2.5, 48.0, 43.0), (7.5, 40.0, 34.0))}
_TRIALS = 100


def tune_for_reuse(bundle: Path) -> None:
    """Find the fewest network calls that hold the floors, and write them into a bundle.

    A copy is tuned, for those inside the package are refused.
    """
    if bundle.name in TUNED:
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copytree(bundle, Path(folder) / bundle.name)
            _tune_copy(copy)
            shutil.copyfile(copy / MANIFEST_NAME, bundle / MANIFEST_NAME)


def _tune_copy(bundle: Path) -> None:
    here = Path(__file__).parent
    for guidance, mean, worst in TUNED[bundle.name]:
        found = edgediff.tune(
            bundle,
            min_psnr=mean,
            min_worst=worst,
            guidance=guidance,
            calibrate=here / "tuned.txt",
            evaluate=here / "tuned_evaluated.txt",
            trials=_TRIALS,
        )
        made, figures = len(found.proof.schedule.made), found.proof.psnr_db
        print(f"{bundle.name}, guidance {guidance:g}: {made} of {len(found.proof.orders)} calls, {figures}", flush=True)


def ship(name: str, folder: Path, *, precision: str = PRECISION) -> Path:
    """Export one model into a folder, over a bundle that is there; returns the bundle."""
    report = export(
        PIPELINES / name,
        folder / name,
        precision=precision,
        defaults=DEFAULTS[name],
        trials=TrialOptions() if precision == "fp32" else _MEASURED,
        overwrite=True,
    )
    manifest = report.manifest
    size = sum(entry.bytes for part in manifest.components.values() for entry in part.files)
    quality = "" if manifest.quality is None else f", {manifest.quality.psnr_db.mean:.1f} dB from fp32's pictures"
    print(f"{name}: {precision}, {size / 1e6:.2f} MB of graphs{quality}", flush=True)
    return report.path


def note_metric(bundle: Path, *, fp32: float, value: float) -> None:
    """Write into a bundle's manifest which share of names is drawn right, and by fp32."""
    path = bundle / MANIFEST_NAME
    manifest = Manifest.from_json(path.read_text(encoding="utf-8"))
    if manifest.quality is None:
        raise ValueError(f"{bundle.name} was not measured")
    metric = TaskMetric("share of names drawn as the nearest drawing", fp32, value)
    noted = replace(manifest, quality=replace(manifest.quality, task_metric=metric))
    path.write_text(noted.to_json(), encoding="utf-8")


def main() -> None:
    """Export both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder of the bundles (default: the package's)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--precision", default=PRECISION, help="(default: %(default)s)")
    what.add_argument("--tune", action="store_true", help="only find the schedules of reuse of the bundles there again")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in DEFAULTS:
        if not arguments.tune:
            ship(name, arguments.out, precision=arguments.precision)
        tune_for_reuse(arguments.out / name)


if __name__ == "__main__":
    main()
