"""Apple's Neural Engine and GPUs, through Core ML packages beside the graphs, which draw on any machine.

Core ML runs on Apple's systems alone. What is known elsewhere is what the packages' files say, computed by us.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgediff_exporters.progress import OnProgress
from edgediff_exporters.targets.base import Modules, Target
from edgediff_runtimes.bundle import Manifest
from edgediff_runtimes.errors import NotInstalledError, SettingError

if TYPE_CHECKING:  # it brings torch
    from edgediff_exporters.families.base import ComponentPlan

_PACKAGE = "coremltools"


def _check() -> None:
    if importlib.util.find_spec(_PACKAGE) is None:  # to import it takes seconds
        reason = ModuleNotFoundError(f"No module named '{_PACKAGE}'")
        raise NotInstalledError("what writes packages for `coreml`", extra="coreml", reason=reason)


def _admit(plans: Sequence[ComponentPlan], precisions: Mapping[str, str]) -> None:
    for plan in plans:
        if plan.single and precisions[plan.role] != "fp32":
            expected = "`fp32`, because sums in it go beyond float16, in which all of a package is computed"
            raise SettingError("precision", got=f"{plan.role}={precisions[plan.role]}", expected=expected)


def _finish(folder: Path, manifest: Manifest, modules: Modules, on_progress: OnProgress) -> Manifest:
    from edgediff_exporters.coreml import with_packages  # noqa: PLC0415 - it brings torch

    return with_packages(folder, manifest, modules, on_progress)


COREML = Target(
    name="coreml",
    processor="Apple's Neural Engine and GPUs",
    format="onnx",
    precisions=("fp16", "w8", "fp32"),
    verified="its packages are computed by us, operator by operator; nothing of it was ever run by Core ML here",
    check=_check,
    admit=_admit,
    time_outside=True,
    finish=_finish,
    tools=(_PACKAGE,),
)
