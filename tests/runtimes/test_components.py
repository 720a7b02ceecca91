"""What a component gives, by the names that exporters use."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.components import Loaded
from edgediff_runtimes.engines import EngineOptions, FakeEngine, Graph
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
