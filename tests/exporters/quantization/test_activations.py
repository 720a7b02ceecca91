from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgediff_exporters.quantization.activations import best_range, observe
from edgediff_runtimes.engines import EngineOptions, Graph, get_engine


def test_figures_are_those_of_all_calls(trained, calls, tmp_path):
    seen = observe(trained, {"a": 1, "l": -1, "h": 1}, calls)
    model = onnx.load(trained)
    kinds = {info.name: info for info in model.graph.value_info}
    model.graph.output.extend(kinds[name] for name in seen)
    onnx.save(model, tmp_path / "more.onnx")
    graph = Graph("block", tmp_path / "more.onnx", "onnx")
    with get_engine("onnxruntime").load(graph, device="cpu", options=EngineOptions()) as session:
        given = [session.run(call) for call in calls]
    for name, others in {"a": (0, 2, 3), "l": (0, 1), "h": (0, 2, 3)}.items():
        arrays = [call[name] for call in given]
        np.testing.assert_allclose(seen[name].means, np.mean([one.mean(axis=others) for one in arrays], axis=0), 1e-4)
        assert min(map(np.min, arrays)) - 1e-5 <= seen[name].low <= 0
        assert max(map(np.max, arrays)) + 1e-5 >= seen[name].high >= 0.3 * max(map(np.max, arrays))


def test_nothing_is_left_beside_the_graph(trained, calls):
    before = sorted(trained.parent.iterdir())
    observe(trained, {"a": 1}, calls)
    assert sorted(trained.parent.iterdir()) == before


def error(sample, low, high):
    step = (high - low) / 255
    zero = round(-low / step)
    return float(np.mean((((np.clip(np.round(sample / step) + zero, 0, 255) - zero) * step) - sample) ** 2))


def test_the_range_of_a_long_tail_is_cut_where_the_error_is_least():
    sample = np.random.default_rng(0).standard_t(4, 130_000).astype(np.float32)
    low, high = best_range(float(sample.min()), float(sample.max()), sample)
    largest = max(-sample.min(), sample.max())
    finely = min(error(sample, max(-cut, sample.min()), min(cut, sample.max())) for cut in np.linspace(8, largest, 100))
    assert error(sample, low, high) < 1.02 * finely
    assert error(sample, low, high) < 0.8 * error(sample, sample.min(), sample.max())


def test_the_range_of_even_numbers_is_whole():
    sample = np.random.default_rng(0).uniform(-1, 3, 100_000).astype(np.float32)
    assert best_range(-1.0, 3.0, sample) == (-1.0, 3.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(1.0, 3.0, (0.0, 3.0)), (-2.0, -1.0, (-2.0, 0.0)), (0, 0, (0, 0))]
)
def test_zero_lies_in_it(low, high, expected):
    sample = np.random.default_rng(0).uniform(low, high, 10_000).astype(np.float32)
    assert best_range(low, high, sample) == expected
