"""A small graph with trained weights: a few layers of the emoji U-Net, put together by hand, and calls for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

pytest.importorskip("torch")

from safetensors.numpy import load_file

from edgediff_exporters.quantization.calibration import RecordedCalls

WEIGHTS = Path(__file__).parents[3] / "benchmarks/models/emoji/pipelines/emoji/unet/diffusion_pytorch_model.safetensors"
_BLOCK, _ATTENTION = "down_blocks.1.resnets.0.", "down_blocks.1.attentions.0.transformer_blocks.0."
# Name in the graph, name in the file, and whether a product has it the other way round.
_TENSORS = (
    ("first", "conv_in.weight", False),
    ("first_bias", "conv_in.bias", False),
    ("norm", _BLOCK + "norm1.weight", False),
    ("norm_bias", _BLOCK + "norm1.bias", False),
    ("conv", _BLOCK + "conv1.weight", False),
    ("conv_bias", _BLOCK + "conv1.bias", False),
    ("shortcut", _BLOCK + "conv_shortcut.weight", False),
    ("shortcut_bias", _BLOCK + "conv_shortcut.bias", False),
    ("time", _BLOCK + "time_emb_proj.weight", False),
    ("time_bias", _BLOCK + "time_emb_proj.bias", False),
    ("scale", _ATTENTION + "norm1.weight", False),
    ("bias", _ATTENTION + "norm1.bias", False),
    ("query", _ATTENTION + "attn1.to_q.weight", True),
    ("key", _ATTENTION + "attn1.to_k.weight", True),
    ("out", _ATTENTION + "attn1.to_out.0.weight", True),
    ("out_bias", _ATTENTION + "attn1.to_out.0.bias", False),
    ("last", "mid_block.resnets.0.conv1.weight", False),
    ("last_bias", "mid_block.resnets.0.conv1.bias", False),
)
_GRAPH = """
<ir_version: 10, opset_import: ["" : 21]>
block (float[batch, 16, height, width] sample, float[batch, 160] embedding) => (float[batch, 96, height, width] result)
{
    x = Conv <pads = [1, 1, 1, 1]> (sample, first, first_bias)
    n = InstanceNormalization (x, norm, norm_bias)
    s = Sigmoid (n)
    a = Mul (n, s)
    h = Conv <pads = [1, 1, 1, 1]> (a, conv, conv_bias)
    t = Gemm <transB = 1> (embedding, time, time_bias)
    t1 = Slice (t, zero, channels, one)
    t2 = Unsqueeze (t1, axes)
    ht = Add (h, t2)
    y = Conv (x, shortcut, shortcut_bias)
    z = Add (ht, y)
    rows = Reshape (z, flat)
    tokens = Transpose <perm = [0, 2, 1]> (rows)
    l = LayerNormalization <axis = -1> (tokens, scale, bias)
    q = MatMul (l, query)
    k = MatMul (l, key)
    kt = Transpose <perm = [0, 2, 1]> (k)
    scores = MatMul (q, kt)
    scaled = Mul (scores, tenth)
    p = Softmax <axis = -1> (scaled)
    mixed = MatMul (p, l)
    o = MatMul (mixed, out)
    ob = Add (o, out_bias)
    back = Transpose <perm = [0, 2, 1]> (ob)
    shape = Shape (z)
    square = Reshape (back, shape)
    result = Conv <pads = [1, 1, 1, 1]> (square, last, last_bias)
}
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The graph in a file. Every node is named like what it gives."""
    tensors = load_file(WEIGHTS)
    model = onnx.parser.parse_model(_GRAPH)
    for name, origin, turned in _TENSORS:
        array = np.ascontiguousarray(tensors[origin].T if turned else tensors[origin])
        model.graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), name))
    whole = {"zero": [0], "channels": [96], "one": [1], "axes": [2, 3], "flat": [0, 96, -1]}
    for name, values in whole.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.1), "tenth"))
    for node in model.graph.node:
        node.name = node.output[0]
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    path = tmp_path_factory.mktemp("trained") / "model.onnx"
    onnx.save(model, path)
    (path.parent / "config.json").write_text("{}")
    return path


def _feeds(seed):
    dice = np.random.default_rng(seed)
    return {
        "sample": dice.standard_normal((2, 16, 8, 8), dtype=np.float32),
        "embedding": np.abs(dice.standard_normal((2, 160), dtype=np.float32)),
    }


@pytest.fixture(scope="session")
def calls(tmp_path_factory):
    """Eight calls on the disk to calibrate with."""
    folder = tmp_path_factory.mktemp("calls")
    paths = [folder / f"{index}.npz" for index in range(8)]
    for index, path in enumerate(paths):
        np.savez(path, **_feeds(index))
    return RecordedCalls(tuple(paths))


@pytest.fixture(scope="session")
def held_out():
    """Four calls that are none of these."""
    return [_feeds(100 + index) for index in range(4)]
