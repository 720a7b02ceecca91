"""What a component gives, by the names that exporters use."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.components import Computed, Loaded
from edgediff_runtimes.engines import EngineOptions, FakeEngine, Graph, Session
from edgediff_runtimes.engines.base import Share
from edgediff_runtimes.errors import EngineError
from edgediff_runtimes.tensors import TensorSpec

SAMPLE = np.arange(6, dtype=np.float32).reshape(1, 2, 3)


@pytest.fixture
def giving(tmp_path):
    """A transformer whose graph gives twice what it takes, under the names that are given."""

    def giving(*names):
        engine = FakeEngine(lambda _role, feeds: dict.fromkeys(names, feeds["hidden_states"] * 2))
        graph = Graph("transformer", tmp_path, "onnx", (TensorSpec("hidden_states", "float32", (1, 2, 3)),))
        return Loaded("transformer", engine.load(graph, device="auto", options=EngineOptions()))

    return giving


@pytest.mark.parametrize("name", ["out_hidden_states", "out_sample"])
def test_a_transformer_of_optimum_onnx_and_of_optimum_intel(giving, name):
    given = giving(name).run({"hidden_states": SAMPLE}, ["out_hidden_states"])
    assert given.keys() == {"out_hidden_states"}
    np.testing.assert_array_equal(given["out_hidden_states"], SAMPLE * 2)


def test_no_other_output_is_taken_for_it(giving):
    with pytest.raises(EngineError, match="`transformer` gives logits: expected `out_hidden_states`"):
        giving("logits").run({"hidden_states": SAMPLE}, ["out_hidden_states"])


class LeavingSession(Session):
    """A session on a device that leaves sines to the processor."""

    def __init__(self):
        self.inputs = self.outputs = {"x": TensorSpec("x", "float32", (1,))}
        self.execution = "f32"

    def run(self, feeds, *, cancel=None):  # noqa: ARG002 - as the seam has it
        return dict(feeds)

    def close(self):
        pass

    def shares(self):
        return {"chip": Share(9, 0.9, ("Conv",)), "cpu": Share(1, 0.1, ("Sin",))}

    def left(self):
        return ("Sin",)


FEEDS = {"x": np.ones(1, np.float32)}


def test_what_a_device_leaves_to_the_processor_is_told_at_the_end():
    told, how = [], Computed("onnxruntime", "f32")
    loaded = Loaded("unet", LeavingSession(), computed=how, on_left=told.append)
    loaded.run(FEEDS, ["x"])
    assert not told
    loaded.tell_shares()
    assert told == [("Sin",)]
    assert how.shares["chip"] == Share(9, 0.9, ("Conv",))


def test_and_under_strict_after_the_first_call():
    def refused(operators):
        raise EngineError(", ".join(operators))

    loaded = Loaded("unet", LeavingSession(), computed=Computed("x", "f32"), on_left=refused, strict=True)
    with pytest.raises(EngineError, match="Sin"):
        loaded.run(FEEDS, ["x"])
