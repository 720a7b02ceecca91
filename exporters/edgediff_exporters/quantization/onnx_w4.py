"""Precision ``w4`` of an ONNX graph: weights of 4 bits where ONNX Runtime can multiply with them, 8 bits elsewhere.

1. Products with constant weights become ``MatMulNBits`` (domain ``com.microsoft``): 32 weights along the summed axis
   share a scale and a zero point. Arithmetic is in float32. Blocks of 64 lose another 0.5 and 1.0 dB (two U-Nets).
2. Convolutions, ``Gemm`` and tables of embeddings are stored in int8, see ``rest``: no engine has kernels for less.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from edgediff_exporters.graph_file import WrittenFile, write_graph
from edgediff_exporters.quantization.rest import store_rest

_BLOCK = 32


def _quantiser(graph: Path) -> Any:  # noqa: ANN401 - the library has no types
    """ONNX Runtime's; its module, when imported, sets the whole program's log up and then writes a line per node."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    from onnxruntime.quantization import matmul_nbits_quantizer as library  # noqa: PLC0415 - see above

    root.handlers[:] = handlers
    root.setLevel(level)
    library.logger.setLevel(logging.WARNING)
    return library.MatMulNBitsQuantizer(onnx.load(graph), bits=4, block_size=_BLOCK, is_symmetric=False)


def quantise_w4(graph: Path, folder: Path) -> tuple[WrittenFile, ...]:
    """Write the graph in w4; see ``Quantiser.quantise``."""
    quantiser = _quantiser(graph)
    quantiser.process()
    model = ir.from_proto(quantiser.model.model)
    del quantiser
    store_rest(model, lifted="int8")
    return write_graph(model, folder, on_bytes=lambda _done, _total: None)
