"""Precision ``int8`` of an OpenVINO graph: weights and activations of 8 bits, by NNCF.

1. Weights: symmetric, a scale per output channel, and 7 bits of the 8. x86 processors without VNNI add two products of
   8 bits in 16 bits and saturate; with 7 bits nothing can, so that a bundle gives the same numbers everywhere.
2. Activations: asymmetric, one scale per tensor, for the whole range that was seen in any call. NNCF's own choice, the
   mean of each call's range, cuts off what only the first noise levels have, on which all others hang.
3. SmoothQuant (Xiao et al. 2022), for convolutions alone: a channel's scale moves from the activations, which have one
   for all channels, to the weights, which have one each. The graph does not get slower: the multiplication is fused.
4. Without NNCF's bias correction: it changed nothing.
5. All other weights as in ``w8``; the convolutions at the ends and what was to stay in float are stored in float16.

Measured as SNR of the U-Net's output on held-out calls, U-Nets of emoji-lcm and emoji: 27.1 and 27.7 dB. Instead of
rule 1 with 8 bits, 26.2 on AVX2 and 28.3 in exact arithmetic (emoji-lcm); of rule 2, the mean of ranges, 1 dB less on
average, 4 at the first level; of rule 3, 24.9 and 24.7 without, and with products smoothed as well (0.3) 27.0 and 27.9.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from edgediff_exporters.quantization.base import Calibration
from edgediff_exporters.quantization.nncf_library import quiet_nncf
from edgediff_exporters.quantization.openvino_layers import multiplications, quantisable
from edgediff_runtimes.engines.openvino.library import ov

_SMOOTHING = 0.5  # how much of a channel's scale moves: 0.35 and 0.6 gave 0.1 to 0.3 dB less
_NO_SMOOTHING = -1


def quantise_layers(model: ov.Model, feeds: Calibration) -> ov.Model:
    """The graph with all its quantisable layers in int8; the rest is as it was.

    Args:
        model: A graph that ``read_graph`` read; it is changed.
        feeds: Calls to calibrate with.
    """
    chosen = {layer.name for layer in quantisable(model)}
    others = sorted({node.get_friendly_name() for node in multiplications(model)} - chosen)
    if not chosen:
        return model
    with quiet_nncf() as nncf:
        return nncf.quantize(
            model,
            nncf.Dataset(feeds),
            subset_size=max(len(feeds), 1),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,  # keeps norms and sums in float: 9 dB
            ignored_scope=nncf.IgnoredScope(names=others, validate=False),
            advanced_parameters=_advanced(nncf),
        )


def _advanced(nncf: ModuleType) -> Any:  # noqa: ANN401 - a library without types
    ranges = nncf.quantization.range_estimator
    whole = ranges.RangeEstimatorParameters(
        *(
            ranges.StatisticsCollectorParameters(
                statistics_type=ranges.StatisticsType[end], aggregator_type=ranges.AggregatorType[end]
            )
            for end in ("MIN", "MAX")
        )
    )
    return nncf.AdvancedQuantizationParameters(
        overflow_fix=nncf.OverflowFix.ENABLE,
        disable_bias_correction=True,
        smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=_NO_SMOOTHING, convolution=_SMOOTHING),
        activations_range_estimator_params=whole,
    )
