"""Attention without a mask is one operator, with the same values in both engines; with a mask it is not."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional

from edgediff_exporters.families import ComponentPlan, GraphInput
from edgediff_exporters.graph_file import write_graph
from edgediff_exporters.passes import simplify
from edgediff_exporters.tracing import trace
from edgediff_runtimes.engines import EngineOptions, Graph, get_engine

HEADS, CHANNELS = 2, 3
WIDTH = HEADS * CHANNELS


class Attending(torch.nn.Module):
    """Attention of every kind: plain, scaled, to other tokens, with fewer keys than queries, causal, with a mask."""

    def forward(self, x, y):
        def heads(tensor):
            return tensor.unflatten(-1, (HEADS, CHANNELS)).transpose(1, 2)

        attend = functional.scaled_dot_product_attention
        a, b = heads(x), heads(y)
        mask = (b[:, :1, None, :, 0] > 0).expand(-1, -1, a.shape[2], -1)
        made = (
            # Of these nothing else takes the heads, as in layers, which have a projection for each.
            attend(heads(2 * x), heads(3 * x), heads(-x)),
            attend(heads(-2 * x), heads(2 * y), heads(3 * y), scale=0.3),
            attend(a, b[:, :1], b[:, :1], enable_gqa=True),
            attend(a, a, a, is_causal=True),
            attend(a, b, b, attn_mask=mask),
        )
        return tuple(each.transpose(1, 2).flatten(2) for each in made)


FUSED = 2  # the first two

PLAN = ComponentPlan(
    role="attending",
    origin="attending",
    build=lambda _config: Attending(),
    forward=lambda module, x, y: module(x, y),
    inputs=(
        GraphInput("x", torch.float32, ("batch", "tokens", WIDTH)),
        GraphInput("y", torch.float32, ("batch", "others", WIDTH)),
    ),
    outputs=("plain", "scaled", "grouped", "causal", "masked"),
    traced={"batch": 2, "tokens": 4, "others": 5},
    checked={"batch": 3, "tokens": 6, "others": 7},
    tolerances={"fp32": 1e-5},
)


@pytest.fixture(scope="module", params=[torch.float32, torch.float16], ids=["fp32", "fp16"])
def graph(request, tmp_path_factory):
    traced = trace(PLAN, {}, dtype=request.param)
    simplify(traced.model, traced.symbols)
    folder = tmp_path_factory.mktemp("attending")
    write_graph(traced.model, folder, on_bytes=lambda _done, _total: None)
    return folder / "model.onnx", 1e-5 if request.param == torch.float32 else 5e-3


def test_only_attention_without_a_mask_is_fused(graph):
    model = onnx.load(graph[0])
    kinds = [(node.domain, node.op_type) for node in model.graph.node]
    assert kinds.count(("com.microsoft", "MultiHeadAttention")) == FUSED
    assert kinds.count(("", "Softmax")) == len(PLAN.outputs) - FUSED
    assert ("", "Attention") not in kinds


def test_heads_that_the_module_moves_are_not_moved_around_it(graph):
    graph = onnx.load(graph[0]).graph
    makers = {name: node for node in graph.node for name in node.output}
    takers = {name: node for node in graph.node for name in node.input}
    fused = [node for node in graph.node if node.op_type == "MultiHeadAttention"]
    before = [_beyond_reshapes(name, makers, lambda node: node.input[0]) for node in fused for name in node.input[:3]]
    after = [_beyond_reshapes(node.output[0], takers, lambda node: node.output[0]) for node in fused]
    assert len(before) == 3 * FUSED
    assert "Transpose" not in before + after


def _beyond_reshapes(name, nodes, following):
    """The kind of the first node on the way that is no reshape, nor a cast; None at the border of the graph."""
    while name in nodes and nodes[name].op_type in ("Reshape", "Cast"):
        name = following(nodes[name])
    return nodes[name].op_type if name in nodes else None


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_values_are_torchs_at_other_shapes(graph, engine):
    path, tolerance = graph
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(3, tokens, WIDTH, generator=generator) for tokens in (6, 7))
    expected = Attending()(x, y)
    options = EngineOptions(execution="f32" if engine == "openvino" else None)
    loading = get_engine(engine).load(Graph("attending", path, "onnx"), device="cpu", options=options)
    with loading as session:
        given = session.run({"x": x.numpy(), "y": y.numpy()})
    for name, tensor in zip(PLAN.outputs, expected, strict=True):
        np.testing.assert_allclose(given[name], tensor.numpy(), atol=tolerance, err_msg=name)
