"""Components in ncnn's format, converted by ``pnnx``, which is a program of its own."""

from edgediff_exporters.ncnn.component import export_ncnn_component
from edgediff_exporters.ncnn.pnnx import find_pnnx

__all__ = ["export_ncnn_component", "find_pnnx"]
