"""A program as a Core ML package: a directory with a specification and the weights."""

from __future__ import annotations

import contextlib
import gc
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgediff_exporters.coreml.library import module
from edgediff_exporters.coreml.program import Captured
from edgediff_exporters.families.base import ComponentPlan
from edgediff_exporters.tracing import quiet
from edgediff_runtimes.engines.coreml_names import feature_of
from edgediff_runtimes.errors import ExportError
from edgediff_runtimes.precisions import precision_of

# iOS 16 and macOS 13: the first whose programs have weights in 8 bits.
_SYSTEM = "iOS16"
_UNREAD = "executorch_debug_handle_mapping.json"  # which names the program's operators for another tool


def write_package(plan: ComponentPlan, captured: Captured, path: Path, *, precision: str) -> None:
    """Write a package.

    Args:
        plan: The component, of fixed shapes.
        captured: Its program.
        path: The directory to make.
        precision: ``fp32`` computes in float32; others in float16, ``w8`` with weights in 8 bits.

    Raises:
        NotInstalledError: coremltools is not there.
        ExportError: The program has what coremltools does not convert.
    """
    ct = module("coremltools")
    try:
        with quiet(), _temporary_files_in(path.parent):
            _write(ct, plan, captured, path, precision=precision)
    except Exception as error:  # its exceptions share no base class
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        words = lines[0] if lines else type(error).__name__
        with quiet():
            traceback.clear_frames(error.__traceback__)  # with its half-made model
        raise ExportError(f"`{plan.role}` cannot be converted for Core ML: coremltools says: {words}") from error
    finally:
        with quiet():
            gc.collect()  # what is left of its models warns as it goes
    (path / _UNREAD).unlink(missing_ok=True)


def _write(ct: Any, plan: ComponentPlan, captured: Captured, path: Path, *, precision: str) -> None:  # noqa: ANN401 - untyped
    model = _converted(ct, plan, captured, half=precision != "fp32")
    if precision_of(precision).storage == "int8":
        model = _in_8_bits(model)
    model.save(str(path))


def _converted(ct: Any, plan: ComponentPlan, captured: Captured, *, half: bool) -> Any:  # noqa: ANN401 - untyped
    return ct.convert(
        captured.program,
        inputs=[
            ct.TensorType(
                name=feature_of(item.name),
                shape=item.sizes({}),
                dtype=np.float32 if item.dtype.is_floating_point else np.int32,
            )
            for item in plan.inputs
        ],
        outputs=[ct.TensorType(name=feature_of(name), dtype=np.float32) for name in plan.outputs],
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        minimum_deployment_target=getattr(ct.target, _SYSTEM),
        skip_model_load=True,
    )


def _in_8_bits(model: Any) -> Any:  # noqa: ANN401 - untyped
    """With weights of 8 bits, symmetric, a scale per output channel."""
    optimize = module("coremltools.optimize.coreml")
    row = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8", granularity="per_channel")
    return optimize.linear_quantize_weights(model, config=optimize.OptimizationConfig(global_config=row))


@contextlib.contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Let nothing of them be left: coremltools keeps whole packages in temporary directories until the process ends."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(dir=folder, prefix=".coreml-") as work:
        tempfile.tempdir = work
        try:
            yield
        finally:
            tempfile.tempdir = before
