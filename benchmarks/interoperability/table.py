"""Stored results as a Markdown table of PSNR in dB; who refused a directory, and in which words, stands below.

python benchmarks/interoperability/table.py benchmarks/results/interoperability-NAME.json ...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Rows of Markdown: PSNR in dB."""
    lines = ["| directory | edgediff to diffusers | opened by | to edgediff | to diffusers |", "|---" * 5 + "|"]
    for name, found in rows.items():
        if "exported" in found:
            lines.append(f"| {name} | not exported | - | - | - |")
            continue
        own = found["edgediff"]
        for program in (key for key in found if key not in ("format", "edgediff")):
            theirs = [_cell(found[program], side) for side in ("to_edgediff", "to_diffusers")]
            lines.append(f"| {' | '.join([name, _cell(own, 'to_diffusers'), program, *theirs])} |")
    return "\n".join(lines)


def _cell(found: dict[str, Any], side: str) -> str:
    if side not in found:
        return "refused" if "refused" in found else "-"
    figures = found[side]
    return f"{figures['psnr_db']:.1f}" if figures["largest_difference"] else "same pixels"


def _rows(paths: list[Path]) -> dict[str, dict[str, Any]]:
    """Those of all results, with the model before the directory where there are several."""
    found = {}
    for path in paths:
        model = path.stem.removeprefix("interoperability-")
        for name, row in json.loads(path.read_text(encoding="utf-8"))["rows"].items():
            found[name if len(paths) == 1 else f"{model}: {name}"] = row
    return found


if __name__ == "__main__":
    stored = _rows([Path(path) for path in sys.argv[1:]])
    print(table(stored))
    for name, row in stored.items():
        for program, found in row.items():
            if "refused" in found:
                print(f"\n{name} in {program}: {found['refused']}")
