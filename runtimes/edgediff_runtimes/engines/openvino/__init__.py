"""OpenVINO as an engine: IR and ONNX graphs on the processor, and on Intel's GPUs and NPUs."""

from edgediff_runtimes.engines.openvino.engine import OpenVinoEngine

__all__ = ["OpenVinoEngine"]
