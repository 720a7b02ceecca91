"""What tests of several folders share: a first start that is watched, exports made once, mutations of files."""

from __future__ import annotations

import copy
import dataclasses
import gc
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Test processes run side by side, on tiny models: threads of one library that wait for those of another's process cost
# many times what they give.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

import edgediff_runtimes  # noqa: F401 - before a test imports a library that reports
from edgediff_runtimes.errors import EdgediffError

GOLDEN_BUNDLE = Path(__file__).parent / "golden" / "bundle"


def pytest_collection_finish():
    """What was imported is for good: an export, which collects garbage after every component, need not look at it."""
    gc.collect()
    gc.freeze()


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


# Stand for texts that ``json.dumps`` does not write.
_RAW = {
    "«inf»": "1e999",
    "«-inf»": "-Infinity",
    "«nan»": "NaN",
    "«digits»": "9" * 5000,
    "«many digits»": "1" * 4200,
    "«deep»": '{"a":' * 600 + "0" + "}" * 600,
    "«deeper»": "[" * 20_000 + "]" * 20_000,
}
ODD: tuple[Any, ...] = (
    *_RAW,
    *("", " ", "\0", "\x1b[31m", "\ud800", "unet/\udcff", "\u202e", "é", "x" * 300, "x/" * 3000, "A" * 10**5),
    *("../../etc/passwd", "/etc/passwd", "..", ".", "a/../../b", "..\\..\\x", "C:\\x", "~root", "file:///etc/passwd"),
    *("unet/../unet/model.onnx", "unet//model.onnx", "./unet/model.onnx", "unet/model.onnx\0.png", "CON", "nan"),
    *(0, 1, -1, 2, 3, 7, 77, 10**6, 10**9, 2**31, 2**63, -(2**63), 2**64, 10**30, 10**308, 10**309, 10**400),
    *(0.0, -0.0, 0.5, 1.5, -1.5, 1e-320, 1e-300, 1e300, 1e308, -1e308, True, False, None),
    *([], {}, [[]], [{}], {"": {}}, [None], ["a"], [0], [1e300], [-1], [1, 2, 3], [True], [10**400]),
    *("epsilon", "v_prediction", "sample", "linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace", "exp"),
    *("leading", "trailing", "linspace", "dpmsolver++", "sde-dpmsolver++", "midpoint", "heun", "zero", "sigma_min"),
    *("onnx", "openvino", "stable-diffusion", "fp16", "int8", "float64", "uint8", "bool", "bf16", "graph", "affine"),
)


@pytest.fixture
def mutated() -> Callable[[Any, random.Random], bytes]:
    """What changes a JSON value and writes it."""
    return _mutated


@pytest.fixture
def fuzz() -> Callable[[int, int, Callable[[random.Random], None]], None]:
    """What runs a case many times: ``fuzz(seed, cases, case)``."""
    return _fuzz


def _mutated(values: Any, rng: random.Random) -> bytes:
    """The bytes of a JSON file whose values were changed in one to five places, and perhaps its bytes too."""
    values = copy.deepcopy(values)
    for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3, 5))):
        if places := list(_places(values)):
            _change(*rng.choice(places), rng, places)
    text = json.dumps(values)
    for name, raw in _RAW.items():
        text = text.replace(json.dumps(name), raw)
    data = text.encode()
    kind = rng.random()
    if kind < 0.02:
        return data[: rng.randrange(len(data))]
    if kind < 0.05:
        return data[: (at := rng.randrange(len(data)))] + bytes([rng.randrange(256)]) + data[at + 1 :]
    return b"\xef\xbb\xbf" + data if kind < 0.06 else data


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder with the key or index of each of its first members."""
    members = list(value.items()) if isinstance(value, dict) else list(enumerate(value[:6]))
    for key, item in members[:40]:
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _change(holder: Any, key: Any, rng: random.Random, places: list[tuple[Any, Any]]) -> None:
    old, kind = holder[key], rng.random()
    if kind < 0.6:
        holder[key] = copy.deepcopy(rng.choice(ODD))
    elif kind < 0.7:
        del holder[key]
    elif kind < 0.8:
        other, name = rng.choice(places)
        if isinstance(other, dict) and name in other:
            holder[key] = copy.deepcopy(other[name])
    elif kind < 0.86 and isinstance(holder, dict):
        holder[rng.choice([odd for odd in ODD if isinstance(odd, str)])] = holder.pop(key)
    elif kind < 0.9:
        holder[key] = [old, copy.deepcopy(old)]
    elif isinstance(old, int | float) and not isinstance(old, bool):
        holder[key] = old * (rng.choice((-1, 2, 10, 1000, 0.001, 0.5)) if abs(old) < 1e300 else 2)
    else:
        holder[key] = str(old)[:200]


def _fuzz(seed: int, cases: int, case: Callable[[random.Random], None]) -> None:
    """Run ``case(rng)`` many times; everything but our own errors is found, with the number of its case."""
    found: dict[str, Any] = {}
    outcomes: Counter[str] = Counter()
    for index in range(cases):
        rng = random.Random(seed * 100_000 + index)  # noqa: S311 - it is to be the same each time
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                case(rng)
                outcomes["taken"] += 1
            except EdgediffError as error:
                outcomes["refused"] += 1
                if not error.sentence.isprintable() or len(str(error)) > 2500:
                    found.setdefault("a sentence that is no sentence", (index, error.sentence))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is what this test looks for
                frame = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(frame.filename).name}:{frame.lineno}"
                found.setdefault(f"{type(error).__name__} at {where}: {str(error)[:60]}", index)
    assert found == {}
    assert min(outcomes["taken"], outcomes["refused"]) > cases / 50, "the mutations are too wild or too tame"
