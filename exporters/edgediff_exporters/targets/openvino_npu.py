"""Intel's neural processors, which OpenVINO compiles graphs of fixed shapes for, on the machine that has one.

They compute in float16. OpenVINO's package for Linux has no compiler for them, so nothing is compiled at export.
"""

from __future__ import annotations

import importlib

from edgediff_exporters.targets.base import Target
from edgediff_runtimes.errors import NotInstalledError


def _check() -> None:
    try:
        importlib.import_module("openvino")
    except ImportError as error:
        raise NotInstalledError("what writes graphs for `openvino-npu`", extra="export", reason=error) from error


OPENVINO_NPU = Target(
    name="openvino-npu",
    processor="Intel's neural processors",
    format="openvino",
    precisions=("fp16", "w8", "int8", "fp32"),
    verified="its graphs are run on the CPU; nothing of it was ever run on such a processor here",
    check=_check,
    time_outside=True,
)
