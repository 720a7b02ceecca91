"""Time, memory and disk that an export takes, phase by phase.

    python benchmarks/export_memory.py SOURCE BUNDLE [--precision fp32] [--keep]

A child process exports; this one samples the child's memory every 20 ms and books it to the phase that the child says
it is in. *Resident* counts pages of mapped files, which the system may drop at any time; *anonymous* is resident minus
shared: what cannot be dropped. Results: ``results/export_memory-NAME-PRECISION.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from harness import machine, store

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_S = 0.02
START = "import"


def child(given: argparse.Namespace) -> None:
    """Export, and say every new phase on stdout."""
    from edgediff_exporters import ExportProgress, TrialOptions, export  # noqa: PLC0415 - the import is the first phase

    said = ""

    def say(event: ExportProgress) -> None:
        nonlocal said
        if (phase := f"{event.component} {event.stage}") != said:
            said = phase
            print(phase, flush=True)

    # Pictures to measure quality with are another cost, and take hours at this size.
    trials = TrialOptions() if given.precision == "fp32" else TrialOptions(evaluation_pictures=0)
    report = export(
        given.source, given.bundle, precision=given.precision, trials=trials, overwrite=True, on_progress=say
    )
    components = report.manifest.components.items()
    print(json.dumps({role: [check.error for check in part.checks] for role, part in components}), flush=True)


def watched(given: argparse.Namespace) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Run the child; seconds and peak bytes of each phase, and the errors that the child measured."""
    arguments = [sys.executable, __file__, given.source, given.bundle, "--precision", given.precision, "--child"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    phases: dict[str, dict[str, float]] = {}
    reached = [START]
    errors: dict[str, Any] = {}
    reader = threading.Thread(target=_read, args=(process.stdout, reached, errors), daemon=True)
    reader.start()
    statm = Path(f"/proc/{process.pid}/statm")
    before = time.perf_counter()
    while process.poll() is None:
        try:
            resident, shared = (int(field) * _PAGE_BYTES for field in statm.read_text().split()[1:3])
        except (OSError, ValueError):
            break
        now = time.perf_counter()
        phase = phases.setdefault(reached[-1], {"seconds": 0.0, "peak_resident": 0, "peak_anonymous": 0})
        phase["seconds"] += now - before
        phase["peak_resident"] = max(phase["peak_resident"], resident)
        phase["peak_anonymous"] = max(phase["peak_anonymous"], resident - shared)
        before = now
        time.sleep(_SAMPLE_S)
    reader.join()
    if process.wait():
        sys.exit(f"the export ended with {process.returncode}")
    return phases, errors


def _read(stdout: TextIO, reached: list[str], errors: dict[str, Any]) -> None:
    for line in stdout:
        if line.startswith("{"):
            errors.update(json.loads(line))
        else:
            reached.append(line.strip())


def main(given: argparse.Namespace) -> None:
    """Measure, print a table, store the result."""
    conditions = machine()
    began = time.perf_counter()
    phases, errors = watched(given)
    seconds = time.perf_counter() - began
    bundle = Path(given.bundle)
    files = {path.relative_to(bundle).as_posix(): path.stat().st_size for path in bundle.rglob("*") if path.is_file()}
    for name, phase in phases.items():
        resident, anonymous = phase["peak_resident"] / 1e6, phase["peak_anonymous"] / 1e6
        print(f"{name:24} {phase['seconds']:7.1f} s  resident {resident:6.0f} MB  anonymous {anonymous:6.0f} MB")
    peaks = {key: max(phase[key] for phase in phases.values()) for key in ("peak_resident", "peak_anonymous")}
    print(f"{'whole':24} {seconds:7.1f} s  resident {peaks['peak_resident'] / 1e6:6.0f} MB  "
          f"anonymous {peaks['peak_anonymous'] / 1e6:6.0f} MB  on disk {sum(files.values()) / 1e6:.0f} MB")  # fmt: skip
    result = {"machine": conditions, "precision": given.precision, "seconds": seconds, **peaks, "phases": phases}
    path = store(
        f"export_memory-{Path(given.source).name}-{given.precision}", {**result, "errors": errors, "files": files}
    )
    print(path)
    if not given.keep:
        shutil.rmtree(bundle)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("bundle")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--keep", action="store_true", help="leave the bundle there")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    child(arguments) if arguments.child else main(arguments)
