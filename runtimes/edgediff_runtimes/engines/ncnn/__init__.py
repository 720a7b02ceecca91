"""ncnn as an engine: GPUs of phones and small boards through Vulkan, and the processor."""

from edgediff_runtimes.engines.ncnn.engine import NcnnEngine

__all__ = ["NcnnEngine"]
