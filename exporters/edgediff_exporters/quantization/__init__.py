"""Quantisers: what writes graphs of a precision, by format. Nothing is imported before it is asked for."""

from __future__ import annotations

import importlib

from edgediff_exporters.quantization.base import Calibration, Feeds, Layer, Quantiser
from edgediff_runtimes.errors import NotInstalledError, SettingError

__all__ = ["QUANTISERS", "Calibration", "Feeds", "Layer", "Quantiser", "quantiser_for"]

# format -> (module, class)
QUANTISERS: dict[str, tuple[str, str]] = {
    "onnx": ("edgediff_exporters.quantization.onnx_graphs", "OnnxQuantiser"),
    "openvino": ("edgediff_exporters.quantization.openvino_graphs", "OpenVinoQuantiser"),
}


def quantiser_for(format_: str) -> Quantiser:
    """The quantiser that writes a format.

    Raises:
        SettingError: No graphs of that format are written.
        NotInstalledError: What writes them is not installed; the hint is the install line.
    """
    if format_ not in QUANTISERS:
        raise SettingError("format", got=format_, expected=f"one of {', '.join(QUANTISERS)}")
    module, class_name = QUANTISERS[format_]
    try:
        quantiser: Quantiser = getattr(importlib.import_module(module), class_name)()
    except ImportError as error:
        raise NotInstalledError(
            f"what writes graphs of the format `{format_}`", extra="export", reason=error
        ) from error
    return quantiser
