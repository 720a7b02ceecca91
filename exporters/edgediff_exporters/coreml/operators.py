"""The operators of Core ML's programs in PyTorch, as coremltools' documentation of them says.

All floats are computed in float32; what a result is rounded to is the caller's matter.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, final

import torch
from torch.nn import functional

_Tensor: TypeAlias = Any  # a tensor: what operators make of one is not typed


@final
class Call:
    """An operator with what it is given: tensors by name, and constants that say how."""

    def __init__(self, node: Any, tensors: Mapping[str, Any]) -> None:  # noqa: ANN401 - untyped
        self._node = node
        self._tensors = tensors

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a tensor, or several
        """The tensor of that name."""
        return self._tensors[name]

    def get(self, name: str) -> _Tensor | None:
        """The tensor of that name, where there is one."""
        return self._tensors.get(name)

    def told(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - a number, a word, or a list
        """A constant, in Python's types; the operator's own default where the program has none."""
        given = getattr(self._node, name, None)
        value = getattr(given, "val", given)
        if value is None:
            return default
        return value.tolist() if hasattr(value, "tolist") else value

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its first result, as the program says."""
        return tuple(self._node.outputs[0].shape)


def _of_one(function: Callable[[_Tensor], _Tensor]) -> Callable[[Call], _Tensor]:
    return lambda call: function(call["x"])


def _of_two(function: Callable[[Any, Any], Any]) -> Callable[[Call], _Tensor]:
    return lambda call: function(call["x"], call["y"])


def _reduced(function: Callable[..., _Tensor]) -> Callable[[Call], _Tensor]:
    def reduced(call: Call) -> _Tensor:
        axes = call.told("axes") or list(range(call["x"].ndim))
        return function(call["x"], axes, keepdim=bool(call.told("keep_dims", default=False)))

    return reduced


def _gelu(call: Call) -> _Tensor:
    mode = call.told("mode", "EXACT")
    if mode == "SIGMOID_APPROXIMATION":
        return call["x"] * torch.sigmoid(1.702 * call["x"])
    return functional.gelu(call["x"], approximate="none" if mode == "EXACT" else "tanh")


def _linear(call: Call) -> _Tensor:
    return functional.linear(call["x"], call["weight"], call.get("bias"))


def _matmul(call: Call) -> _Tensor:
    x, y = call["x"], call["y"]
    x = x.transpose(-1, -2) if call.told("transpose_x", default=False) else x
    y = y.transpose(-1, -2) if call.told("transpose_y", default=False) else y
    return x @ y


def _conv(call: Call) -> _Tensor:
    x, weight = call["x"], call["weight"]
    spatial = x.ndim - 2
    dilations, strides = (call.told(name) or [1] * spatial for name in ("dilations", "strides"))
    x = _padded_for(call, x, weight.shape[2:], dilations=dilations, strides=strides)
    function = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}[spatial]
    return function(x, weight, call.get("bias"), stride=strides, dilation=dilations, groups=call.told("groups", 1))


def _padded_for(
    call: Call, x: _Tensor, kernel: tuple[int, ...], *, dilations: list[int], strides: list[int]
) -> _Tensor:
    kind = call.told("pad_type", "valid")
    if kind == "valid":
        return x
    if kind == "custom":
        given = call.told("pad")
        pairs = [given[index : index + 2] for index in range(0, len(given), 2)]
    elif kind == "same":
        pairs = []
        for size, width, dilation, stride in zip(x.shape[2:], kernel, dilations, strides, strict=True):
            total = max((-(-size // stride) - 1) * stride + dilation * (width - 1) + 1 - size, 0)
            pairs.append([total // 2, total - total // 2])
    else:
        raise NotImplementedError(f"pad_type {kind}")
    return functional.pad(x, [side for pair in reversed(pairs) for side in pair])


def _batch_norm(call: Call) -> _Tensor:
    return functional.batch_norm(
        call["x"], call["mean"], call["variance"], call.get("gamma"), call.get("beta"), eps=call.told("epsilon", 1e-5)
    )


def _layer_norm(call: Call) -> _Tensor:
    x, axes = call["x"], call.told("axes")
    lengths = [x.shape[axis] for axis in axes]
    return functional.layer_norm(x, lengths, call.get("gamma"), call.get("beta"), eps=call.told("epsilon", 1e-5))


def _instance_norm(call: Call) -> _Tensor:
    gamma, beta = call.get("gamma"), call.get("beta")
    return functional.instance_norm(call["x"], weight=gamma, bias=beta, eps=call.told("epsilon", 1e-5))


def _split(call: Call) -> tuple[_Tensor, ...]:
    x, axis, sizes = call["x"], call.told("axis"), call.told("split_sizes")
    return torch.split(x, sizes or x.shape[axis] // call.told("num_splits"), dim=axis)


def _slice(call: Call) -> _Tensor:
    x = call["x"]
    begin, end = call.told("begin"), call.told("end")
    stride = call.told("stride") or [1] * x.ndim
    masks = [call.told(name) or [False] * x.ndim for name in ("begin_mask", "end_mask", "squeeze_mask")]
    index: list[Any] = []
    for axis, (first_open, last_open, squeezed) in enumerate(zip(*masks, strict=True)):
        if squeezed:
            index.append(begin[axis])
        else:
            first, last = None if first_open else begin[axis], None if last_open else end[axis]
            if stride[axis] < 0:
                raise NotImplementedError("a slice that runs backwards")
            index.append(slice(first, last, stride[axis]))
    return x[tuple(index)]


def _pad(call: Call) -> _Tensor:
    given, mode = call.told("pad"), call.told("mode", "constant")
    pairs = [given[index : index + 2] for index in range(0, len(given), 2)]
    sides = [side for pair in reversed(pairs) for side in pair]
    if mode == "constant":
        return functional.pad(call["x"], sides, value=call.told("constant_val", 0.0))
    return functional.pad(call["x"], sides, mode={"reflect": "reflect", "replicate": "replicate"}[mode])


def _gather(call: Call) -> _Tensor:
    x, indices, axis = call["x"], call["indices"].long(), call.told("axis", 0) % call["x"].ndim
    if call.told("batch_dims", 0):
        raise NotImplementedError("batch_dims")
    found = x.index_select(axis, indices.reshape(-1) % x.shape[axis])
    return found.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _gather_nd(call: Call) -> _Tensor:
    if call.told("batch_dims", 0):
        raise NotImplementedError("batch_dims")
    return call["x"][tuple(call["indices"].long().unbind(-1))]


def _place(function: Callable[..., _Tensor]) -> Callable[[Call], _Tensor]:
    return lambda call: function(
        call["x"], dim=call.told("axis", -1), keepdim=bool(call.told("keep_dims", default=False))
    )


def _upsampled(call: Call) -> _Tensor:
    scales = (call.told("scale_factor_height", 1), call.told("scale_factor_width", 1))
    return functional.interpolate(call["x"], scale_factor=tuple(map(float, scales)), mode="nearest")


def _average(call: Call) -> _Tensor:
    padded = call.told("pad_type", "valid") not in ("valid", "custom") or any(call.told("pad") or ())
    if padded or call.told("ceil_mode", default=False):
        raise NotImplementedError("padding in avg_pool")
    sizes = call.told("kernel_sizes")
    return functional.avg_pool2d(call["x"], sizes, stride=call.told("strides") or 1)


def _widened(call: Call) -> _Tensor:
    """Weights of 8 bits."""
    data, axis = call["quantized_data"].float(), call.told("axis")
    shape = [-1 if index == axis % data.ndim else 1 for index in range(data.ndim)]
    scale, zero = (call[name].float().reshape(-1) for name in ("scale", "zero_point"))
    scale, zero = (part.reshape(shape) if part.numel() > 1 else part for part in (scale, zero))
    return (data - zero) * scale


def _squeezed(call: Call) -> _Tensor:
    return call["x"].reshape(call.shape)


def _expanded(call: Call) -> _Tensor:
    x = call["x"]
    for axis in sorted(axis % (x.ndim + len(call.told("axes"))) for axis in call.told("axes")):
        x = x.unsqueeze(axis)
    return x


_UNARY: Final[Mapping[str, Callable[[_Tensor], _Tensor]]] = {
    "abs": torch.abs,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "erf": torch.erf,
    "exp": torch.exp,
    "floor": torch.floor,
    "identity": lambda x: x,
    "cast": lambda x: x,  # its result has the type that is asked for
    "logical_not": torch.logical_not,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "silu": functional.silu,
    "sin": torch.sin,
    "softplus": functional.softplus,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tanh": torch.tanh,
}
_BINARY: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "add": operator.add,
    "equal": operator.eq,
    "floor_div": torch.floor_divide,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "less": operator.lt,
    "less_equal": operator.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mul": operator.mul,
    "not_equal": operator.ne,
    "pow": torch.pow,
    "real_div": operator.truediv,
    "sub": operator.sub,
}
OPERATORS: Final[Mapping[str, Callable[[Call], Any]]] = {
    **{name: _of_one(function) for name, function in _UNARY.items()},
    **{name: _of_two(function) for name, function in _BINARY.items()},
    "avg_pool": _average,
    "batch_norm": _batch_norm,
    "clip": lambda call: call["x"].clamp(call.told("alpha"), call.told("beta")),
    "concat": lambda call: torch.cat(call["values"], dim=call.told("axis")),
    "constexpr_affine_dequantize": _widened,
    "conv": _conv,
    "expand_dims": _expanded,
    "gather": _gather,
    "gather_nd": _gather_nd,
    "gelu": _gelu,
    "instance_norm": _instance_norm,
    "layer_norm": _layer_norm,
    "linear": _linear,
    "log": lambda call: torch.log(call["x"] + call.told("epsilon", 0.0)),
    "matmul": _matmul,
    "pad": _pad,
    "reduce_argmax": _place(torch.argmax),
    "reduce_argmin": _place(torch.argmin),
    "reduce_l2_norm": _reduced(torch.linalg.vector_norm),
    "pixel_shuffle": lambda call: functional.pixel_shuffle(call["x"], call.told("upscale_factor")),
    "pixel_unshuffle": lambda call: functional.pixel_unshuffle(call["x"], call.told("downscale_factor")),
    "reduce_max": _reduced(torch.amax),
    "reduce_mean": _reduced(torch.mean),
    "reduce_min": _reduced(torch.amin),
    "reduce_sum": _reduced(torch.sum),
    "reshape": lambda call: call["x"].reshape(call.shape),
    "rsqrt": lambda call: torch.rsqrt(call["x"] + call.told("epsilon", 0.0)),
    "select": lambda call: torch.where(call["cond"].bool(), call["a"], call["b"]),
    "slice_by_index": _slice,
    "softmax": lambda call: torch.softmax(call["x"], dim=call.told("axis", -1)),
    "split": _split,
    "squeeze": _squeezed,
    "stack": lambda call: torch.stack(call["values"], dim=call.told("axis")),
    "tile": lambda call: call["x"].tile(call.told("reps")),
    "transpose": lambda call: call["x"].permute(call.told("perm")),
    "upsample_nearest_neighbor": _upsampled,
}
