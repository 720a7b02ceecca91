"""What is stored is read, and the same values are stored the same way again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgediff.api import open_bundle
from edgediff_runtimes.errors import AdapterError, BundleError
from edgediff_runtimes.weights.onnx_file import OnnxFile
from edgediff_runtimes.weights.reading import stored_weights
from edgediff_runtimes.weights.schemes import Blocks, Divided, Plain, Scaled

onnx = pytest.importorskip("onnx", reason="graphs are read and made with the exporter's packages")
RNG = np.random.default_rng(0)


def some(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def scaled(values, axis, *, most=127, **given):
    """A matrix in int8 by hand: a scale per channel along an axis."""
    others = tuple(place for place in range(values.ndim) if place != axis)
    scales = np.abs(values).max(others, keepdims=True) / most
    tensors = {"numbers": np.round(values / scales).astype(np.int8), "scales": scales.reshape(-1)}
    return tensors, Scaled(tensors.__getitem__, "numbers", "scales", axis, **given)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("turned", [False, True])
def test_floats(dtype, turned):
    values = some(5, 7).astype(dtype)
    tensors = {"w": np.ascontiguousarray(values.T) if turned else values}
    stored = Plain(tensors.__getitem__, "w", (5, 7), turned)
    assert (stored.read() == values).all()
    assert (stored.write(stored.read())["w"] == tensors["w"]).all()


def test_half_precision_that_overflows_is_refused():
    stored = Plain({"w": np.ones((2, 2), np.float16)}.__getitem__, "w", (2, 2))
    with pytest.raises(AdapterError, match="beyond the range of float16"):
        stored.write(np.full((2, 2), 1e6, np.float32))


@pytest.mark.parametrize("most", [127, 64])  # 64: quantisers of graphs with rounded activations
@pytest.mark.parametrize(("axis", "turned", "shape"), [(0, False, (5, 7)), (1, True, (7, 5)), (0, False, (5, 7, 3, 3))])
def test_a_scale_per_channel(most, axis, turned, shape):
    values = some(*(shape if not turned else shape[::-1]))
    tensors, stored = scaled(values, axis, most=most, shape=shape, turned=turned)
    error = np.abs(stored.read() - (values.T if turned else values)).max()
    assert error <= tensors["scales"].max() / 2 * 1.001
    again = stored.write(stored.read())
    assert (again["numbers"] == tensors["numbers"]).all()
    assert np.allclose(again["scales"], tensors["scales"], rtol=1e-6)


def test_other_values_get_fresh_scales():
    values = some(5, 7)
    tensors, stored = scaled(values, 0, shape=(5, 7))
    tensors.update(stored.write(3 * values))
    assert np.abs(stored.read() - 3 * values).max() <= tensors["scales"].max() / 2 * 1.001
    assert np.abs(tensors["numbers"]).max(1).tolist() == [127] * 5


@pytest.mark.parametrize(("axis", "turned"), [(0, False), (1, True)])
def test_changed_values_are_not_rounded_a_second_time_where_numbers_are_only_stored(axis, turned):
    values = some(5, 7)
    _, stored = scaled(values.T if turned else values, axis, shape=(5, 7), turned=turned)
    again = stored.write_changed(values)
    assert list(again) == ["numbers"]
    assert (again["numbers"] == (values.T if turned else values).astype(np.float16)).all()
    assert again["numbers"].dtype == np.float16
    computed = replace(stored, computed=True).write_changed(values)
    assert {name: array.dtype for name, array in computed.items()} == {"numbers": np.int8, "scales": np.float32}


@pytest.mark.parametrize(
    ("axis", "turned", "shape"), [(0, False, (5, 64)), (1, True, (7, 5)), (0, False, (5, 7, 3, 3))]
)
def test_neighbours_fit_into_16_bits_where_7_bits_become_8(axis, turned, shape):
    values = some(*shape)
    tensors, stored = scaled(values.T if turned else values, axis, most=63, shape=shape, turned=turned)
    before = tensors["scales"].copy()
    tensors.update(replace(stored, computed=True, paired=True).write_changed(values))
    assert np.abs(stored.read() - values).max() <= tensors["scales"].max() / 2 * 1.001
    assert (tensors["scales"] < before).all()
    numbers = tensors["numbers"].astype(int)
    numbers = numbers.T if turned else numbers
    assert np.abs(numbers[:, :-1:2] + numbers[:, 1::2]).max() <= 128
    assert 64 < np.abs(numbers).max() <= 127


def test_channels_of_zeros():
    tensors, stored = scaled(some(5, 7), 0, shape=(5, 7))
    tensors.update(stored.write(np.zeros((5, 7), np.float32)))
    assert not stored.read().any()
    assert (tensors["scales"] == 1).all()


def test_a_zero_point():
    values = some(5, 7) + 2
    scales = (values.max(1) - np.minimum(values.min(1), 0)) / 255
    zeros = np.round(-np.minimum(values.min(1), 0) / scales)
    numbers = np.clip(np.round(values / scales[:, None]) + zeros[:, None], 0, 255).astype(np.uint8)
    tensors = {"numbers": numbers, "scales": scales, "zeros": np.maximum(zeros, 1).astype(np.uint8)}
    stored = Scaled(tensors.__getitem__, "numbers", "scales", 0, (5, 7), zero="zeros")
    tensors.update(stored.write(values))
    assert np.abs(stored.read() - values).max() <= tensors["scales"].max() / 2 * 1.01


def test_the_bias_keeps_its_values_where_the_scales_change():
    """Engines take the scale of a convolution's bias to be that of the weights times that of the activations."""
    values, activation = some(5, 7, 3, 3), np.float32(0.02)
    tensors, stored = scaled(values, 0, shape=values.shape, bias=("bias", "bias scale"))
    bias = some(5)
    tensors["bias scale"] = tensors["scales"] * activation
    tensors["bias"] = np.round(bias / tensors["bias scale"]).astype(np.int32)
    tensors.update(stored.write(2.5 * values))
    assert np.allclose(tensors["bias scale"], tensors["scales"] * activation, rtol=1e-5)
    assert np.abs(tensors["bias"] * tensors["bias scale"] - bias).max() <= tensors["bias scale"].max() * 1.01


def test_activations_that_are_multiplied_in_front_of_a_layer():
    values, factor = some(5, 7, 3, 3), np.exp(some(7))
    tensors, quotient = scaled(values / factor[:, None, None], 0, shape=values.shape)
    stored = Divided(quotient, factor)
    assert np.abs(stored.read() - values).max() <= tensors["scales"].max() * factor.max()
    again = stored.write(stored.read())
    assert (again["numbers"] == tensors["numbers"]).all()


@pytest.mark.parametrize("filled", [True, False])
@pytest.mark.parametrize(("outputs", "summed", "block"), [(5, 64, 32), (3, 50, 32), (4, 48, 16)])
def test_blocks_of_four_bits(filled, outputs, summed, block):
    blocks = -(-summed // block)
    tensors = {
        "numbers": RNG.integers(0, 256, (outputs, blocks, block // 2), dtype=np.uint8),
        "scales": np.abs(some(outputs, blocks)) + 0.1,
        "zeros": np.zeros((outputs, -(-blocks // 2)) if filled else (-(-outputs * blocks // 2),), np.uint8),
    }
    stored = Blocks(tensors.__getitem__, "numbers", "scales", "zeros", summed, (outputs, summed), filled=filled)
    values = some(outputs, summed)
    tensors.update(stored.write(values))
    assert np.abs(stored.read() - values).max() <= tensors["scales"].max() * 0.75
    again = stored.write(stored.read())
    assert np.abs(again["numbers"].astype(int) - tensors["numbers"]).max() <= 17  # a level, in either half of a byte
    tensors.update(again)
    assert np.abs(stored.read() - values).max() <= tensors["scales"].max()


@pytest.mark.parametrize("role", ["text_encoder", "unet"])
def test_a_graph_is_read_as_onnx_reads_it(role):
    path = open_bundle("emoji-lcm").graph(role).path
    file, model = OnnxFile.open(path), onnx.load(path)
    assert [*file.initialisers] == [tensor.name for tensor in model.graph.initializer]
    for tensor in model.graph.initializer:
        array = file.array(tensor.name)
        assert array.dtype == onnx.numpy_helper.to_array(tensor).dtype
        assert (array == onnx.numpy_helper.to_array(tensor)).all()
    for got, node in zip(file.nodes, model.graph.node, strict=True):
        assert (got.op, got.name, [*got.inputs], [*got.outputs]) == (node.op_type, node.name, node.input, node.output)
        assert got.numbers == {one.name: one.i for one in node.attribute if one.type == onnx.AttributeProto.INT}


def test_other_values_are_written_where_the_old_ones_were():
    path = open_bundle("emoji-lcm").graph("unet").path
    file = OnnxFile.open(path)
    name = "conv_out.weight.scale"
    model = onnx.ModelProto.FromString(file.rewritten({name: 2 * file.array(name)}))
    (changed,) = (onnx.numpy_helper.to_array(one) for one in model.graph.initializer if one.name == name)
    assert (changed == 2 * file.array(name)).all()
    originals = {one.name: one for one in onnx.load(path).graph.initializer}
    assert all(one == originals[one.name] for one in model.graph.initializer if one.name != name)


def test_rounding_a_shipped_model_again_changes_no_number():
    stored = stored_weights(open_bundle("emoji-lcm").graph("unet"))
    for name in ("conv_in.weight", "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"):
        numbers = next(iter(stored[name].write(stored[name].read()).items()))
        assert (numbers[1] == OnnxFile.open(open_bundle("emoji-lcm").graph("unet").path).array(numbers[0])).all()


def test_mutated_graphs_give_our_errors_alone(tmp_path, fuzz):
    whole = open_bundle("emoji-lcm").graph("text_encoder").path.read_bytes()[:60_000]

    def case(rng):
        data = bytearray(whole[: rng.randrange(20, len(whole))])
        for _ in range(rng.randrange(3)):
            data[rng.randrange(200)] = rng.randrange(256)
        (tmp_path / "model.onnx").write_bytes(data if rng.random() < 0.8 else open_bundle_bytes)
        file = OnnxFile.open(tmp_path / "model.onnx")
        for name in [*file.initialisers][:20]:
            file.array(name)

    open_bundle_bytes = open_bundle("emoji-lcm").graph("text_encoder").path.read_bytes()
    fuzz(12, 200, case)


@pytest.mark.parametrize("location", ["../weights", "/etc/passwd", "a/b", "", ".."])
def test_weights_elsewhere_are_refused(tmp_path, location):
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=1)
    for key, value in {"location": location, "offset": "0", "length": "4"}.items():
        tensor.external_data.add(key=key, value=value)
    model = onnx.ModelProto()
    model.graph.initializer.append(tensor)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="expected a file beside it"):
        OnnxFile.open(tmp_path / "model.onnx").array("w")
