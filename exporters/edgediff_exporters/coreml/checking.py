"""Whether a written package takes and gives what its component does, and computes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgediff_exporters.coreml.evaluating import PackageProgram
from edgediff_exporters.coreml.library import module
from edgediff_exporters.coreml.program import Captured
from edgediff_exporters.families.base import ComponentPlan
from edgediff_exporters.verification import relative_error
from edgediff_runtimes.engines.coreml_names import feature_of
from edgediff_runtimes.errors import ExportError, ToleranceError
from edgediff_runtimes.tensors import TensorSpec


def check_package(plan: ComponentPlan, captured: Captured, path: Path, *, precision: str) -> float:
    """Read a package again, compare its face with the component's, and compute it.

    Args:
        plan: The component, of fixed shapes.
        captured: What the module makes of an example.
        path: The package.
        precision: The component's, which says how large an error the plan allows.

    Returns:
        max |package - module| / max |module| over all outputs.

    Raises:
        ExportError: It has another face, an operator that is not known here, or weights that are no numbers.
        ToleranceError: The error is larger, or an output is not finite.
    """
    program = PackageProgram(plan.role, path)
    _check_face(plan, captured, program.spec)
    program.check_weights()
    feeds = zip(plan.inputs, captured.examples, strict=True)
    computed = program.run({feature_of(item.name): tensor for item, tensor in feeds})
    got = {name: tensor.float().numpy() for name, tensor in zip(plan.outputs, computed, strict=True)}
    error, allowed = relative_error(plan, got, captured.expected), plan.tolerances[precision]
    if not error <= allowed:  # so that NaN fails too
        shapes = ", ".join(f"{item.name} {list(item.shape)}" for item in plan.inputs)
        raise ToleranceError(f"{plan.role} as a Core ML package", error=error, tolerance=allowed, shapes=shapes)
    return error


def _check_face(plan: ComponentPlan, captured: Captured, spec: Any) -> None:  # noqa: ANN401 - a protobuf
    if (kind := spec.WhichOneof("Type")) != "mlProgram":
        raise ExportError(f"the Core ML package of `{plan.role}` is `{kind}`: expected `mlProgram`")
    given = [
        TensorSpec(feature_of(item.name), "float32" if item.dtype.is_floating_point else "int32", tuple(item.shape))
        for item in plan.inputs
    ]
    made = [
        TensorSpec(feature_of(name), "float32", tuple(output.shape))
        for name, output in zip(plan.outputs, captured.expected, strict=True)
    ]
    for words, features, expected in (
        ("takes", spec.description.input, given),
        ("gives", spec.description.output, made),
    ):
        if (found := _specs(features)) != expected:
            said = [", ".join(map(str, each)) or "nothing" for each in (found, expected)]
            raise ExportError(f"the Core ML package of `{plan.role}` {words} {said[0]}: expected {said[1]}")


def _specs(features: Sequence[Any]) -> list[TensorSpec]:
    """What a specification says of inputs or outputs."""
    names = {value: name.lower() for name, value in _array_types().items()}
    return [
        TensorSpec(
            feature.name,
            names.get(feature.type.multiArrayType.dataType, "unknown"),
            tuple(feature.type.multiArrayType.shape),
        )
        for feature in features
    ]


def _array_types() -> dict[str, int]:
    """Types of arrays by name, as the specification numbers them: ``FLOAT32``, ``INT32`` ..."""
    types = module("coremltools.proto.FeatureTypes_pb2").ArrayFeatureType.ArrayDataType
    return dict(types.items())
