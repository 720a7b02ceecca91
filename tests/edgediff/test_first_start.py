"""On a new machine drawing and measuring write nothing that is not ours, and reach for nobody."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec

import pytest

from edgediff_runtimes.engines import get_engine
from edgediff_runtimes.errors import NotInstalledError
from edgediff_runtimes.reporting import SWITCHES

COMMAND = "import sys; from edgediff.cli import main; sys.argv[0] = 'edgediff'; main()"
API = """
import sys, edgediff
with edgediff.load(sys.argv[1], engine=sys.argv[2]) as pipeline:
    pipeline("a red apple", seed=1, steps=1)
"""
CHILD = """
import subprocess, sys
code = "import socket; socket.create_connection(('127.0.0.1', 9))"
sys.exit(subprocess.run([sys.executable, "-c", code]).returncode)
"""

# Every module is imported, and what is imported later, where it is needed; a tokenizer is read and converted.
EXPORTER = """
import importlib, pathlib, pkgutil, shutil, sys
import edgediff_exporters
for module in pkgutil.walk_packages(edgediff_exporters.__path__, "edgediff_exporters."):
    importlib.import_module(module.name)
from onnxruntime.quantization import matmul_nbits_quantizer
from edgediff_exporters.openvino_tokenizer import write_openvino_tokenizer
from edgediff_exporters.quantization.nncf_library import quiet_nncf
with quiet_nncf():
    pass
folder = pathlib.Path(shutil.copytree(sys.argv[1], "tokenizer"))
write_openvino_tokenizer(folder, kind="clip", max_tokens=12)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the guard is Linux's")
@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.getaddrinfo('edgediff.invalid', 443)",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        CHILD,
        "import socket, threading; threading.Thread(target=socket.gethostbyname, args=['edgediff.invalid']).start()",
    ],
    ids=["lookup", "datagram", "child", "thread"],
)
def test_whoever_speaks_to_somebody_is_caught(first_start, code):
    started = first_start(code)
    if not started.guarded:
        pytest.skip("this system lets no process forbid itself anything")
    assert started.code in (-signal.SIGSYS, 256 - signal.SIGSYS)


def test_what_is_written_is_seen(first_start):
    code = "import pathlib, tempfile; pathlib.Path.home().joinpath('.id').touch(); open('log', 'w'); tempfile.mkstemp()"
    started = first_start(code)
    assert started.code == 0
    assert [path.partition("/")[0] for path in started.written] == ["folder", "home", "tmp"]


def test_a_picture_of_the_command(first_start, bundle):
    started = first_start(COMMAND, "run", "a red apple", "-m", bundle, "--steps", "1", "-o", "apple.png")
    assert (started.code, started.written) == (0, ["folder/apple.png"])


def test_a_picture_of_the_api(first_start, bundle):
    started = first_start(API, bundle, "onnxruntime")
    assert (started.code, started.written) == (0, [])


def test_a_picture_of_openvino_leaves_its_compiled_graphs(first_start, bundle):
    try:
        get_engine("openvino")
    except NotInstalledError as error:
        pytest.skip(error.sentence)
    started = first_start(API, bundle, "openvino")
    assert started.code == 0
    assert started.written
    assert [path for path in started.written if "edgediff" not in path.split("/")] == []


def test_a_measurement_and_its_processes(first_start, bundle):
    arguments = ("bench", bundle, "--repeat", "1", "--steps", "1", "--json", "r.json")
    started = first_start(COMMAND, *arguments)
    assert (started.code, started.written) == (0, ["folder/r.json"])


@pytest.mark.skipif(find_spec("torch") is None, reason="the exporter is not installed")
def test_the_exporter_and_what_it_quantises_with(first_start, bundle):
    """A whole export in ``w8`` was watched likewise; it takes too long to be repeated here."""
    started = first_start(EXPORTER, bundle / "tokenizer")
    assert started.code == 0
    assert "folder/tokenizer/openvino_tokenizer.xml" in started.written
    assert [path for path in started.written if not path.startswith("folder/tokenizer/")] == []


def test_the_switches_are_set_before_anything_is_imported_and_whatever_was_said(first_start):
    code = """
import os, sys
for name in sys.argv[1:]:
    os.environ[name] = "0"
import edgediff_runtimes
assert "onnxruntime" not in sys.modules
assert [os.environ[name] for name in sys.argv[1:]] == ["1"] * len(sys.argv[1:])
"""
    assert first_start(code, *SWITCHES).code == 0


def test_a_program_that_imported_the_library_first_reports_no_more(first_start):
    code = """
import onnxruntime
told = []
onnxruntime.disable_telemetry_events = lambda: told.append("disabled")
from edgediff_runtimes.engines import get_engine
get_engine("onnxruntime")
assert told == ["disabled"]
"""
    assert first_start(code).code == 0
