"""ncnn, for GPUs of phones and small boards: its graphs are made from the model, by a program of its own."""

from __future__ import annotations

from edgediff_exporters.ncnn.pnnx import find_pnnx
from edgediff_exporters.targets.base import Target, Write
from edgediff_runtimes.engines import get_engine


def _check() -> None:
    get_engine("ncnn")  # every graph is checked with it
    find_pnnx()


def _writer() -> Write:
    from edgediff_exporters.ncnn.component import export_ncnn_component  # noqa: PLC0415 - it imports PyTorch

    return export_ncnn_component


NCNN = Target(
    name="ncnn",
    processor="GPUs of phones and small boards, through Vulkan, and processors",
    format="ncnn",
    precisions=("fp32", "w16", "fp16"),
    verified="its graphs are run on the CPU and on Vulkan devices in software; nothing of it was run on a GPU here",
    check=_check,
    time_outside=True,
    writer=_writer,
)
