"""The bundles that ship in the package, made again from the pipelines that are kept here.

    python -m benchmarks.models.emoji.ship

Both in ``w8``: matrices in int8 with a scale per output channel, arithmetic in float32. `docs/models.md` tells what
that costs; `compare.py` measures it and writes the metric of the task into both manifests.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

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
    parser.add_argument("--precision", default=PRECISION, help="(default: %(default)s)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in DEFAULTS:
        ship(name, arguments.out, precision=arguments.precision)


if __name__ == "__main__":
    main()
