"""What wraps a session says of itself what that session says, also what it tells only after a call."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff.bench.timed_engine import CallLog, TimedEngine
from edgediff_runtimes.engines import EngineOptions, Session, Share
from edgediff_runtimes.engines.tapping import TappingEngine
from edgediff_runtimes.tensors import TensorSpec


class LeavingSession(Session):
    """A session on a device that leaves sines to the processor, and knows its threads once it has run."""

    def __init__(self):
        self.inputs = self.outputs = {"x": TensorSpec("x", "float32", (1,))}
        self.execution = "f16"

    def run(self, feeds, *, cancel=None):  # noqa: ARG002 - as the seam has it
        self.threads = 3
        return dict(feeds)

    def close(self):
        pass

    def shares(self):
        return {"chip": Share(9, 0.9, ("Conv",)), "cpu": Share(1, 0.1, ("Sin",))}

    def left(self):
        return ("Sin",)


class Leaving:
    """Its engine."""

    name, version = "leaving", "1"

    def devices(self):
        return ()

    def load(self, *_given, **_options):
        return LeavingSession()


WRAPPERS = {
    "timed": lambda engine: TimedEngine(engine, CallLog()),
    "tapped": lambda engine: TappingEngine(engine, lambda *_: None),
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_who_computed_what_is_passed_on(tiny, kind):
    session = WRAPPERS[kind](Leaving()).load(tiny.graph("unet"), device="chip", options=EngineOptions())
    assert session.threads is None
    assert list(session.run({"x": np.ones(1, np.float32)})) == ["x"]
    assert session.threads == 3
    assert session.shares() == LeavingSession().shares()
    assert session.left() == ("Sin",)
