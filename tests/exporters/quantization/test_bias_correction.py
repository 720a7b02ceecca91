from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgediff_exporters.quantization.activations import Activation
from edgediff_exporters.quantization.bias_correction import correct_biases
from edgediff_exporters.quantization.onnx_int8 import observe_layers
from edgediff_exporters.quantization.onnx_layers import quantisable
from edgediff_exporters.quantization.onnx_schemes import SCHEMES


def values(model, name):
    return next(numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name == name)


def rounded(weight, axis, largest):
    scale = np.abs(weight).max(axis=tuple(i for i in range(weight.ndim) if i != axis), keepdims=True) / largest
    return np.round(weight / scale) * scale


@pytest.mark.parametrize(("layer", "weight", "bias"), [("y", "shortcut", "shortcut_bias"), ("o", "out", "out_bias")])
def test_the_mean_of_what_a_layer_gives_is_kept(trained, calls, layer, weight, bias):
    """Linear layers without padding: the mean error is what rounding adds, times the mean input, and nothing else."""
    model = onnx.load(trained)
    before = values(model, bias)
    (found,) = (one for one in quantisable(model, SCHEMES["int8"]) if one.node.name == layer)
    seen = observe_layers(trained, calls, SCHEMES["int8"])
    means = seen[found.node.input[0]].means
    correct_biases(model, [found], seen, largest=4)
    matrix = values(model, weight)
    matrix = matrix[:, :, 0, 0] if layer == "y" else matrix.T
    error = (rounded(matrix, 0, 4) - matrix) @ means
    assert np.abs(error).max() > 0.01  # three bits: there is something to correct
    np.testing.assert_allclose(values(model, bias) - before, -error, atol=1e-5)


def test_a_layer_without_a_bias_and_all_others_stay_as_they_are(trained, calls):
    model = onnx.load(trained)
    query = [one for one in quantisable(model, SCHEMES["int8"]) if one.node.name == "q"]
    correct_biases(model, query, observe_layers(trained, calls, SCHEMES["int8"]), largest=4)
    assert model == onnx.load(trained)


def test_a_bias_that_two_layers_share_stays_as_it_is(trained):
    model = onnx.load(trained)
    layers = [one for one in quantisable(model, SCHEMES["int8"]) if one.node.op_type == "Conv"]
    for one in layers:
        one.node.input[2] = "conv_bias"
    seen = {one.node.input[0]: Activation(0.0, 1.0, np.ones(112)) for one in layers}
    correct_biases(model, layers, seen, largest=4)
    np.testing.assert_array_equal(values(model, "conv_bias"), values(onnx.load(trained), "conv_bias"))
