"""The parameters of an ONNX graph, found by its initialisers' names (``docs/bundle-format.md``, *Weights by name*).

An initialiser is called as the parameter is in the model's module, with what the export did behind it:

- ``.transposed``: a matrix with its input channels first.
- ``.half``: in float16; ``.int8`` and ``.scale``; ``.int4``, ``.scale`` and ``.zero``: see the exporter's
  ``passes/store_smaller.py``; ``_quantized``, ``_scale`` and ``_zero_point``: as ONNX Runtime's quantiser has them.

A graph that torch traced by modules, as optimum has them, calls a matrix ``onnx::MatMul_7`` and the product that reads
it ``/down_blocks.0/.../to_q/MatMul``: there the product tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgediff_runtimes.weights.onnx_file import Initialiser, Node, OnnxFile
from edgediff_runtimes.weights.schemes import Blocks, Plain, Scaled, StoredWeight

_TURNED = ".transposed"
_SCOPED = re.compile(r"/(.+)/(?:MatMul|Gemm)(?:_\d+)?")
_UNNAMED = re.compile(r"onnx::\w+_\d+")
_FLOATS = ("float32", "float16")
_WHOLE = ("int8", "uint8")
_MATRIX = 2  # axes
_CONV_BIAS = 2  # the place among a convolution's inputs
_WITH_ZERO = 2  # likewise of a DequantizeLinear's zero points


def onnx_weights(path: Path) -> tuple[OnnxFile, dict[str, StoredWeight]]:
    """The parameters of a graph, by their names in the module.

    Args:
        path: The ``.onnx`` file.

    Raises:
        BundleError: It cannot be read.
    """
    file = OnnxFile.open(path)
    return file, dict(_weights(file))


def _weights(file: OnnxFile) -> Iterator[tuple[str, StoredWeight]]:
    readers: dict[str, Node] = {}
    makers: dict[str, Node] = {}
    for node in file.nodes:
        for name in node.inputs:
            readers.setdefault(name, node)
        for name in node.outputs:
            makers[name] = node
    for one in file.initialisers.values():
        reader = readers.get(one.name)
        if reader is None:
            continue
        reader, swapped = _behind_transpose(one, reader, readers)
        if reader.op == "DequantizeLinear" and (swapped or reader.inputs[0] == one.name) and len(one.shape) >= _MATRIX:
            yield from _scaled(file, one, reader, readers, makers, swapped=swapped)
        elif reader.op == "MatMulNBits" and one.name.endswith(".int4"):
            yield from _blocks(file, one, reader)
        elif one.dtype in _FLOATS and one.shape:
            parameter, turned = _parameter(one.name.removesuffix(".half"), reader)
            shape = one.shape[::-1] if turned else one.shape
            yield parameter, Plain(file.array, one.name, shape, turned)


def _behind_transpose(one: Initialiser, reader: Node, readers: dict[str, Node]) -> tuple[Node, bool]:
    """What reads a matrix, and whether its axes are exchanged in front of that; see ``passes/plain_operators.py``."""
    if reader.op == "Transpose" and len(one.shape) == _MATRIX and one.dtype in _WHOLE:
        widener = readers.get(reader.outputs[0])
        if widener is not None and widener.inputs[0] == reader.outputs[0]:
            return widener, True
    return reader, False


def _parameter(name: str, reader: Node) -> tuple[str, bool]:
    """The parameter's name, and whether it is stored with its input channels first."""
    if name.endswith(_TURNED):
        return name.removesuffix(_TURNED), True
    if _UNNAMED.fullmatch(name) and (scoped := _SCOPED.fullmatch(reader.name)) is not None:
        turned = reader.op == "MatMul" or not reader.numbers.get("transB", 0)
        return scoped[1].replace("/", ".") + ".weight", turned
    return name, False


def _scaled(
    file: OnnxFile,
    one: Initialiser,
    widener: Node,
    readers: dict[str, Node],
    makers: dict[str, Node],
    *,
    swapped: bool,
) -> Iterator[tuple[str, StoredWeight]]:
    scale = widener.inputs[1]
    zero = widener.inputs[2] if len(widener.inputs) > _WITH_ZERO else None
    if scale not in file.initialisers or one.dtype not in _WHOLE:
        return
    layer = readers.get(widener.outputs[0])
    base = one.name.removesuffix(".int8").removesuffix("_quantized")
    parameter, turned = _parameter(base, layer or widener)
    bias = None
    if layer is not None and layer.op == "Conv" and len(layer.inputs) > _CONV_BIAS:
        maker = makers.get(layer.inputs[_CONV_BIAS])
        if maker is not None and maker.op == "DequantizeLinear" and maker.inputs[0] in file.initialisers:
            bias = (maker.inputs[0], maker.inputs[1])
    axis = widener.numbers.get("axis", 1) % len(one.shape)
    axis = 1 - axis if swapped else axis
    shape = one.shape[::-1] if turned else one.shape
    zero = zero if zero in file.initialisers else None
    # Numbers whose axes are exchanged in the graph stay whole: no ``Cast`` takes the place of what widens them.
    computed = swapped or (layer is not None and _multiplies_rounded(layer, widener, makers))
    yield parameter, Scaled(file.array, one.name, scale, axis, shape, turned, zero, bias, computed)


def _multiplies_rounded(layer: Node, widener: Node, makers: dict[str, Node]) -> bool:
    """Whether what the weights are multiplied with is rounded too, which engines compute as whole numbers."""
    others = [makers.get(name) for name in layer.inputs[:2] if name != widener.outputs[0]]
    return any(maker is not None and maker.op == "DequantizeLinear" for maker in others)


def _blocks(file: OnnxFile, one: Initialiser, product: Node) -> Iterator[tuple[str, StoredWeight]]:
    outputs, summed = product.numbers["N"], product.numbers["K"]
    parameter, as_module = _parameter(one.name.removesuffix(".int4"), product)
    # Blocks have their output channels first, as the module's matrix has where the graph wanted it turned.
    shape = (outputs, summed) if as_module else (summed, outputs)
    numbers, scale, zero = product.inputs[1:4]
    yield parameter, Blocks(file.array, numbers, scale, zero, summed, shape, not as_module)
