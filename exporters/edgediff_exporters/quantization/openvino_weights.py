"""Precisions ``w8`` and ``w4`` of an OpenVINO graph: weights stored in fewer bits, by NNCF; arithmetic stays in float.

1. w8: int8, symmetric, a scale per output channel; tables of embeddings have one per row.
2. w4: 4 bits, asymmetric, 64 weights along the summed axis share a scale and a zero point (fewer where 64 does not
   divide it), for products alone: no engine has kernels for convolutions of 4 bits. All other weights as in w8, those
   of the time embedding included.
3. The convolutions at the ends stay in float16, see ``openvino_layers``.
"""

from __future__ import annotations

from collections.abc import Collection

from edgediff_exporters.quantization.nncf_library import quiet_nncf
from edgediff_exporters.quantization.openvino_layers import end_convolutions, multiplications, quantisable
from edgediff_runtimes.engines.openvino.library import ov

_GROUP = 64
_SMALLEST_GROUP = 16


def compress_w8(model: ov.Model, *, keep: Collection[str]) -> ov.Model:
    """The graph with int8 weights; what is stored in whole numbers already stays as it is.

    Args:
        model: The graph; changed.
        keep: Names of operations whose weights stay in float.
    """
    with quiet_nncf() as nncf:
        return nncf.compress_weights(
            model,
            mode=nncf.CompressWeightsMode.INT8_SYM,
            ignored_scope=nncf.IgnoredScope(names=sorted(keep), validate=False),
        )


def compress_w4(model: ov.Model) -> ov.Model:
    """The graph in w4; it is changed."""
    products = {layer.name for layer in quantisable(model) if layer.op == "MatMul"}
    rest = sorted({node.get_friendly_name() for node in multiplications(model)} - products)
    model = compress_w8(model, keep={*products, *end_convolutions(model)})
    with quiet_nncf() as nncf:
        advanced = nncf.AdvancedCompressionParameters(
            group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST, min_adjusted_group_size=_SMALLEST_GROUP
        )
        return nncf.compress_weights(
            model,
            mode=nncf.CompressWeightsMode.INT4_ASYM,
            group_size=_GROUP,
            all_layers=True,
            ignored_scope=nncf.IgnoredScope(names=rest, validate=False),
            advanced_parameters=advanced,
        )
