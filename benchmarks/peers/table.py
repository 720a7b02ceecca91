"""A stored result as a Markdown table: medians, and in brackets the ratio to edgediff's with its range over the rounds.

python benchmarks/peers/table.py benchmarks/results/peers-NAME.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# metric -> (what a reader calls it, unit, factor, digits)
COLUMNS = {
    "import_s": ("import", "s", 1.0, 2),
    "cold_start_s": ("cold start to a 4-step picture", "s", 1.0, 1),
    "few_step_total_s": ("4 steps without guidance", "s", 1.0, 2),
    "step_s": ("guided step", "s", 1.0, 3),
    "overhead_step_s": ("overhead of a step", "ms", 1e3, 2),
    "decode_s": ("decode", "s", 1.0, 2),
    "scaled_20_steps_s": ("20 guided steps, scaled", "s", 1.0, 1),
    "cpu_s": ("processor time of the guided picture", "s", 1.0, 1),
    "peak_rss_bytes": ("peak resident", "MB", 1e-6, 0),
    "peak_anonymous_bytes": ("peak anonymous", "MB", 1e-6, 0),
}


def cell(peer: dict[str, Any], metric: str, *, ours: bool) -> str:
    """``12.30 (1.14; 1.12 to 1.17)``."""
    median, ratio = peer["medians"].get(metric), peer["to_edgediff"].get(metric)
    if median is None:
        return "not told"
    _, _, factor, digits = COLUMNS[metric]
    text = f"{median['median'] * factor:.{digits}f}"
    if ours or ratio is None:
        return text
    spread = f"; {ratio['min']:.2f} to {ratio['max']:.2f}" if ratio["n"] > 1 else ""
    return f"{text} ({ratio['median']:.2f}{spread})"


def table(report: dict[str, Any]) -> str:
    """Peers as columns."""
    peers = report["peers"]
    lines = ["| | " + " | ".join(peers) + " |", "|---|" + "---|" * len(peers)]
    for metric, (name, unit, _, _) in COLUMNS.items():
        cells = [cell(peer, metric, ours=name_ == "edgediff") for name_, peer in peers.items()]
        lines.append(f"| {name}, {unit} | " + " | ".join(cells) + " |")
    likeness = report.get("psnr_to_diffusers_fp32_db", {})
    alike = ["same pixels" if likeness.get(peer, 0) is None else f"{likeness.get(peer, 0):.1f}" for peer in peers]
    reference = [
        "reference" if peer == "diffusers fp32" else text if peer in likeness else "not compared"
        for peer, text in zip(peers, alike, strict=True)
    ]
    lines.append("| PSNR to diffusers fp32, dB | " + " | ".join(reference) + " |")
    sizes = report["installed_bytes"]
    installed = [f"{sizes[report['environments'][peer]] / 1e6:.0f}" for peer in peers]
    lines.append("| installed, MB | " + " | ".join(installed) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    stored = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(table(stored))
    for failed, why in stored["failed"].items():
        print(f"\n{failed} failed: {why}")
