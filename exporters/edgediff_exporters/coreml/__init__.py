"""Core ML packages for Apple's systems: written by coremltools, and computed here by us before they are believed."""

from edgediff_exporters.coreml.packages import with_packages

__all__ = ["with_packages"]
