"""Figures that tests measure, printed at the end of a run; and a bundle whose quality was measured."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

# Test processes run side by side, on tiny models: threads of one library that wait for those of another's process cost
# many times what they give.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

import edgediff_runtimes  # noqa: F401 - before a test imports a library that reports

GOLDEN_BUNDLE = Path(__file__).parent / "golden" / "bundle"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """No test finds what the user's cache has, or leaves anything in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEDIFF_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("EDGEDIFF_CACHE_LIMIT", raising=False)
        yield


# Linux: a process that speaks to anyone is killed, and so are its threads and children; no name is looked up without.
# A filter in the kernel's own small language (seccomp, linux/filter.h): read the architecture, the number of the call.
_NOBODY = """
def _speak_to_nobody():
    import ctypes, platform, struct
    machines = {"x86_64": (0xC000003E, 42, 44), "aarch64": (0xC00000B7, 203, 206)}
    architecture, connect, sendto = machines[platform.machine()]
    lines = [(0x20, 0, 0, 4), (0x15, 0, 3, architecture), (0x20, 0, 0, 0), (0x15, 2, 0, connect), (0x15, 1, 0, sendto)]
    lines += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x80000000)]  # let pass, kill
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
    prctl = ctypes.CDLL(None).prctl
    return prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, ctypes.byref(Program(len(lines), code)), 0, 0) == 0
import sys
if sys.platform == "linux" and _speak_to_nobody():
    print("guarded", file=sys.stderr)
"""


@dataclass(frozen=True)
class Started:
    """What came of a first start: exit code, files written (sorted), whether it could not have spoken to anyone."""

    code: int
    written: list[str]
    guarded: bool


@pytest.fixture
def first_start(tmp_path):
    """Runs Python code as on a new machine: ``home``, ``folder`` (the current one) and ``tmp`` are empty."""

    def first_start(code, *args):
        root = tmp_path / "machine"
        for name in ("home", "folder", "tmp"):
            (root / name).mkdir(parents=True)
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
        homes = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(root / "home"))
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(root / "tmp"))
        done = subprocess.run(
            [sys.executable, "-c", _NOBODY + code, *map(str, args)],
            # with a name, for the system looks the user up through a socket
            env={**kept, **homes, **temporary, "USER": "somebody", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=root / "folder",
            stderr=subprocess.PIPE,
            check=False,
            encoding="utf-8",
        )
        sys.stderr.write(done.stderr)  # shown where the test fails
        written = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        return Started(done.returncode, written, done.stderr.startswith("guarded"))

    return first_start


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """``shared(name, make) -> Path``: a directory that one test process makes and all of this run read.

    ``make`` fills the empty directory that it is given. Who asks meanwhile waits; nothing is kept for another run.
    """
    from filelock import FileLock  # noqa: PLC0415 - the wheel's environment, whose tests share nothing, is without

    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    root.mkdir(exist_ok=True)

    def shared(name, make):
        place = root / name
        with FileLock(root / f"{name}.lock"):  # let go also by a process that dies
            if not place.is_dir():
                part = Path(tempfile.mkdtemp(dir=root))
                make(part)
                part.rename(place)
        return place

    return shared


@pytest.fixture
def figure(record_property):
    """Call it with a line of text to have it printed at the end of the run, also from a worker of xdist."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter):
    reports = [report for report in terminalreporter.getreports("passed") if report.when == "call"]
    figures = [text for report in reports for name, text in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for text in figures:
            terminalreporter.line(text)


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    """The tiny bundle with U-Net weights rounded to six bits, and measured against what it is without that.

    Not to be written to.
    """
    from edgediff_runtimes.bundle import Bundle  # noqa: PLC0415 - only the tests of quality want it
    from edgediff_runtimes.quality import Runner, attribute, make_reference, measure  # noqa: PLC0415 - as above

    folder = shutil.copytree(GOLDEN_BUNDLE, tmp_path_factory.mktemp("measured") / "rounded")
    _round_unet(folder)
    fp32, rounded = Runner(Bundle.open(GOLDEN_BUNDLE)), Runner(Bundle.open(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # twelve tokens are too few for some prompts
        reference = make_reference(fp32, prompts=["a red apple", "the cat", "a blue car"], seed=3)
        report = measure(rounded, reference, record=reference.save(folder))
        report = report.with_attribution(attribute(fp32, rounded, reference))
    manifest = dataclasses.replace(rounded.bundle.manifest, quality=report)
    (folder / "edgediff.json").write_text(manifest.to_json(), encoding="utf-8")
    return folder


@pytest.fixture
def measured_copy(measured, tmp_path):
    """A copy of it to do harm to."""
    return shutil.copytree(measured, tmp_path / "measured")


def _round_unet(folder):
    """Round the convolution's weights (``make_tiny_bundle.py`` draws them second) and tell the manifest."""
    generator = np.random.default_rng(0)
    generator.standard_normal(8)
    kernel = (0.15 * generator.standard_normal((4, 4, 3, 3))).astype(np.float32)
    path = folder / "unet" / "model.onnx"
    data = path.read_bytes()
    assert data.count(kernel.tobytes()) == 1
    step = np.abs(kernel).max() / 31
    path.write_bytes(data.replace(kernel.tobytes(), ((kernel / step).round() * step).tobytes()))
    values = json.loads((folder / "edgediff.json").read_text(encoding="utf-8"))
    values["components"]["unet"]["files"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "edgediff.json").write_text(json.dumps(values), encoding="utf-8")
