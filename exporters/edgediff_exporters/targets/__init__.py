"""Processors that take graphs of fixed shapes alone: a row for each, one small file each."""

from __future__ import annotations

from edgediff_exporters.targets.base import Target
from edgediff_exporters.targets.coreml import COREML
from edgediff_exporters.targets.ncnn import NCNN
from edgediff_exporters.targets.openvino_npu import OPENVINO_NPU
from edgediff_exporters.targets.qnn import QNN
from edgediff_runtimes.errors import SettingError

__all__ = ["TARGETS", "Target", "target_of"]

TARGETS: dict[str, Target] = {row.name: row for row in (OPENVINO_NPU, NCNN, QNN, COREML)}


def target_of(name: str | None) -> Target | None:
    """The row of that name; None for none.

    Raises:
        SettingError: There is no such row.
        EdgediffError: What writes its graphs is not installed.
    """
    if name is None:
        return None
    if name not in TARGETS:
        raise SettingError("target", got=name, expected=f"one of {', '.join(TARGETS)}")
    TARGETS[name].check()
    return TARGETS[name]
