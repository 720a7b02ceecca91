"""A session in a fork of the process that loaded it: refused at once, and its end does not wait for anybody."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from edgediff_runtimes.engines import EngineOptions, FakeEngine, Graph, get_engine
from edgediff_runtimes.errors import EngineError, NotInstalledError

PATIENCE_S = 120  # a child that waits for threads of its parent waits for ever
PIPELINE = "the pipeline was loaded before this process was forked: expected a graph that this process loaded"
OPENVINO = "OpenVINO was loaded before this process was forked: expected it to be loaded after the fork only"
# Loads and perhaps draws, forks; the child draws, frees all, and ends as a program does. Its sentence goes to stdout.
FORKING = """
import os, sys, warnings
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import get_engine
from edgediff_runtimes.errors import EngineError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement

warnings.simplefilter("ignore")  # Python 3.12 warns of forks beside threads
path, name, before = sys.argv[1:]
engine = get_engine(name)
residency = "sequential" if before == "freed" else "resident"
load = lambda: Pipeline(Bundle.open(path), Placement(engine=engine, residency=residency))
draw = lambda: pipeline("a cat", seed=0, steps=1, width=64, height=64, guidance=1.0)
pipeline = load()
if before != "idle":
    draw()
if before in ("closed", "anew"):
    pipeline.close()
child = os.fork()
try:
    if before == "anew":
        engine = get_engine(name)
    if before in ("closed", "anew"):
        pipeline = load()
    draw()
    if child == 0:
        print("drawn", flush=True)
except EngineError as error:
    print(error.sentence, flush=True)
pipeline.close()
del pipeline
if child:
    _, status = os.waitpid(child, 0)
    sys.exit(status)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
@pytest.mark.parametrize(
    ("name", "before", "told"),
    [
        ("onnxruntime", "drawn", PIPELINE),
        ("openvino", "drawn", PIPELINE),
        ("onnxruntime", "idle", "drawn"),
        ("openvino", "idle", "drawn"),
        # Nothing of the parent's is loaded any more. OpenVINO's threads are shared by all of its graphs.
        ("onnxruntime", "freed", "drawn"),
        ("openvino", "freed", OPENVINO),
        ("onnxruntime", "closed", "drawn"),
        ("openvino", "closed", OPENVINO),
        ("openvino", "anew", OPENVINO),
    ],
)
def test_a_forked_process_is_told_at_once_and_ends(golden, name, before, told):
    try:
        get_engine(name)
    except NotInstalledError as error:
        pytest.skip(error.sentence)
    command = [sys.executable, "-c", FORKING, str(golden / "bundle"), name, before]
    done = subprocess.run(command, check=True, timeout=PATIENCE_S, stdout=subprocess.PIPE, encoding="utf-8")
    assert done.stdout.splitlines() == [told]


@pytest.mark.parametrize("name", ["fake", "onnxruntime", "openvino"])
def test_a_session_of_another_process_refuses_to_run(golden, monkeypatch, pair, name):
    try:
        engine = FakeEngine(lambda _role, feeds: dict(feeds)) if name == "fake" else get_engine(name)
    except NotInstalledError as error:
        pytest.skip(error.sentence)
    graph = Graph("unet", golden / "engines" / "add.onnx", "onnx")
    with engine.load(graph, device="auto", options=EngineOptions()) as session:
        here = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: here + 1)
        with pytest.raises(EngineError, match="`unet` was loaded before this process was forked") as raised:
            session.run(pair)
        assert "after the fork" in raised.value.hint
        monkeypatch.undo()
        assert session.run(pair)
