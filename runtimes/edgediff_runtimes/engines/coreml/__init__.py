"""Core ML as an engine: Apple's Neural Engine and GPUs. It was never run by us: no machine of Apple's was at hand."""

from edgediff_runtimes.engines.coreml.engine import CoreMlEngine

__all__ = ["CoreMlEngine"]
