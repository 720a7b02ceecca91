"""Freeze ``app.py`` with PyInstaller and run it where there is no Python: its size, and how long until a picture.

    python benchmarks/freezing/run.py [--runs N] [--keep FOLDER]

A wheel is built and installed, as a user's is, without extras, beside PyInstaller in a new virtual environment. What
comes out is moved elsewhere and timed, in turns with the same app run by that environment's Python. Then that Python
is deleted and the app run once more. Always with an empty environment (no PATH, no home) and, on Linux where
``unshare`` may do so, without any network. ``results/freezing.json`` has what it gave.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from edgediff.bench.watch import Watched, watch

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
from harness import machine, store, summary  # noqa: E402 - found by the line above

_HEAVIEST = 8


def main() -> None:
    """Freeze, run, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="move the frozen app to this folder, which must not be there")
    arguments = parser.parse_args()
    about = machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python, versions = install(folder)
        app = freeze(python, folder)
        program = str(app / ("app.exe" if sys.platform == "win32" else "app"))
        timed = measure({"frozen": [program], "python": [str(python), str(HERE / "app.py")]}, runs=arguments.runs)
        shutil.rmtree(folder / "environment")
        result = {
            "command": f"python benchmarks/freezing/run.py --runs {arguments.runs}",
            **sizes(app),
            "network": "none" if offline() else "as is",
            "report": json.loads(_run([program]).lines[-1]),
            "timed": timed,
            "versions": versions,
            "machine": about,
        }
        if arguments.keep is not None:
            shutil.move(app, arguments.keep)
    print(json.dumps(result, indent=2))
    print(f"stored in {store('freezing', result)}")


def install(folder: Path) -> tuple[Path, list[str]]:
    """Build the wheel and install it beside PyInstaller; the interpreter, and what it now has."""
    environment = folder / "environment"
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    _do(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    venv.create(environment, with_pip=True)
    _do(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, "pyinstaller")
    told = _do(python, "-m", "pip", "freeze").splitlines()
    return python, [line.partition(" @ ")[0] for line in told]


def freeze(python: Path, folder: Path) -> Path:
    """What PyInstaller makes of the app: a folder, which is moved away from where it was built."""
    built = folder / "built"
    places = ("--distpath", built, "--workpath", folder / "work", "--specpath", folder)
    _do(python, "-m", "PyInstaller", "--onedir", "--noconfirm", "--log-level", "WARN", *places, HERE / "app.py")
    return Path(shutil.move(built / "app", folder / "app"))


def measure(commands: dict[str, list[str]], *, runs: int) -> dict[str, Any]:
    """Of each command, in turns: seconds from the start of its process until it says each thing, and its memory."""
    watched: dict[str, list[Watched]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, command in commands.items():
            watched[name].append(_run(command))
    return {
        name: {
            "first_run_s": {phase: seconds for seconds, phase in first.marks},
            "until_s": {
                phase: summary([one.marks[index][0] for one in later]) for index, (_, phase) in enumerate(first.marks)
            },
            "processor_s": {
                phase: summary([json.loads(one.lines[-1])["processor_s"][phase] for one in later])
                for _, phase in first.marks
            },
            "peak_rss_bytes": summary([one.peak or 0 for one in later]),
        }
        for name, (first, *later) in watched.items()
    }


def sizes(app: Path) -> dict[str, Any]:
    """Bytes of the app's folder, and of what is largest in it."""
    parts = {path.name: _bytes(path) for path in (app / "_internal").iterdir()}
    heaviest = sorted(parts, key=parts.__getitem__, reverse=True)[:_HEAVIEST]
    return {"bytes": _bytes(app), "heaviest_bytes": {name: parts[name] for name in heaviest}}


def offline() -> list[str]:
    """What to put before a command so that it has no network; nothing where that cannot be had."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], check=False, capture_output=True).returncode:
        return []
    return [unshare, "-rn"]


def _run(command: list[str]) -> Watched:
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        watched = watch([*offline(), *command, str(picture)], environment={})
        if watched.returncode or not picture.is_file():
            raise SystemExit(f"{command[0]} ended with {watched.returncode}")
    return watched


def _do(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def _bytes(path: Path) -> int:
    """Of a file, or of all files in a folder; links count for nothing."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())


if __name__ == "__main__":
    main()
