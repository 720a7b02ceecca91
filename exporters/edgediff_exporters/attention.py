"""How attention is written into a graph: as one operator, ``MultiHeadAttention`` of the domain ``com.microsoft``.

As products and a softmax, the matrix of scores of all heads lies in memory, twice: 4.7 of the 9.7 GB that a guided call
of Stable Diffusion 1.5's U-Net takes at 512x512. ONNX Runtime computes this operator block by block. Why this one and
not the standard's ``Attention``: it is there in every version of ONNX Runtime that edgediff admits (tried: 1.20.0,
1.20.1, 1.21.0, 1.23.2, 1.32.0), where ``Attention`` needs opset 23, and takes less memory (5.05 GB for that call, not
5.85). OpenVINO reads both.

Attention with a mask, and causal attention, stay products and a softmax: with a mask for each picture that all heads
share, ONNX Runtime computes wrong numbers or reads outside of its memory (1.20.0 to 1.23.2 at least; 1.32.0 does not).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import onnx
import torch
from onnxscript import opset18, values
from onnxscript.function_libs.torch_lib.ops.nn import aten_scaled_dot_product_attention

_AXES = 4  # pictures, heads, tokens, channels of a head
_HEADS, _CHANNELS = 1, 3
_SWAP = (0, 2, 1, 3)  # heads and tokens change places

_Value: TypeAlias = Any  # a symbolic tensor of the tracer's, whose class has no public name


def _operator() -> values.Op:
    """What the graph takes of the operator: onnx has no schema of it."""
    schema = onnx.defs.OpSchema
    tensors = [schema.FormalParameter(name, "T") for name in ("query", "key", "value")]
    described = schema(
        "MultiHeadAttention",
        "com.microsoft",
        1,
        inputs=tensors,
        outputs=[schema.FormalParameter("output", "T")],
        type_constraints=[("T", ["tensor(float)", "tensor(float16)"], "")],
        attributes=[
            schema.Attribute("num_heads", schema.AttrType.INT, required=True),
            schema.Attribute("scale", schema.AttrType.FLOAT, required=False),
        ],
    )
    return values.Op(values.Opset(described.domain, described.since_version), described.name, described)


_fused = _operator()


def _attention(
    query: _Value,
    key: _Value,
    value: _Value,
    attn_mask: _Value = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,  # noqa: FBT001, FBT002 - torch's own signature
    scale: float | None = None,
    enable_gqa: bool = False,  # noqa: FBT001, FBT002 - torch's own signature
) -> _Value:
    if attn_mask is not None or is_causal or not _same_heads(query, key, value):
        return aten_scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p=dropout_p, is_causal=is_causal, scale=scale, enable_gqa=enable_gqa
        )
    heads, channels = query.shape[_HEADS], value.shape[_CHANNELS]
    # It takes and gives the heads side by side in the last axis. Where the module moves them by such a transpose itself
    # and takes them to nothing else, as diffusers' layers do, the two transposes meet, and the passes take them out.
    taken = [
        opset18.Reshape(opset18.Transpose(each, perm=_SWAP), _constant(0, 0, heads * each.shape[_CHANNELS]))
        for each in (query, key, value)
    ]
    given = {} if scale is None else {"scale": scale}
    joined = _fused(*taken, num_heads=heads, **given)
    return opset18.Transpose(opset18.Reshape(joined, _constant(0, 0, heads, channels)), perm=_SWAP)


# What `torch.onnx.export` takes as `custom_translation_table`.
translated: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.scaled_dot_product_attention.default: _attention
}


def _same_heads(*tensors: _Value) -> bool:
    """Whether all have the four axes, as many heads as one another and channels of a fixed number."""
    shapes = [tensor.shape for tensor in tensors]
    if any(len(shape) != _AXES or not isinstance(shape[_CHANNELS], int) for shape in shapes):
        return False
    heads = {shape[_HEADS] for shape in shapes}
    return len(heads) == 1 and isinstance(heads.pop(), int)


def _constant(*numbers: int) -> _Value:
    return opset18.Constant(value_ints=numbers)
