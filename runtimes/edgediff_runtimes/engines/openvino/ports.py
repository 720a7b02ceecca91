"""Inputs and outputs of OpenVINO's models as the seam has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.errors import EngineError
from edgediff_runtimes.tensors import Array, TensorSpec


def specs_of(ports: Iterable[Any], declared: Sequence[TensorSpec]) -> dict[str, TensorSpec]:
    """What each input or output is, in the model's order.

    Args:
        ports: A model's or a compiled model's ``inputs`` or ``outputs``.
        declared: What the manifest says of them; it knows which of a port's several names is meant, and the names of
            the axes, which OpenVINO does not keep. Empty where it was derived.
    """
    return {spec.name: spec for spec in _specs(ports, declared)}


def names_of(ports: Iterable[Any], declared: Sequence[TensorSpec]) -> tuple[str, ...]:
    """The name of each port, in the model's order; outputs that are one tensor may have one name, see ``specs_of``."""
    return tuple(spec.name for spec in _specs(ports, declared))


def _specs(ports: Iterable[Any], declared: Sequence[TensorSpec]) -> list[TensorSpec]:
    by_name = {spec.name: spec for spec in declared}
    return [_spec(port, index, by_name) for index, port in enumerate(ports)]


def _spec(port: Any, index: int, declared: Mapping[str, TensorSpec]) -> TensorSpec:  # noqa: ANN401 - one of four classes
    # A port has the names of every tensor that was merged into it. Its node keeps the one the graph was exported with;
    # an output's has a suffix.
    kept = port.node.friendly_name.partition("/sink_port_")[0]
    names = sorted(port.names, key=lambda name: (name not in declared, name != kept, name.isdigit(), "/" in name, name))
    name = names[0] if names else f"tensor_{index}"
    axes = declared[name].shape if name in declared else ()
    shape = tuple(
        axis.get_length() if axis.is_static else (axes[place] if place < len(axes) else f"{name}_{place}")
        for place, axis in enumerate(_axes(port.partial_shape))
    )
    return TensorSpec(name, _dtype(port.element_type), shape)


def _axes(shape: ov.PartialShape) -> list[Any]:
    return list(shape) if shape.rank.is_static else []


def _dtype(element_type: ov.Type) -> str:
    try:
        return str(np.dtype(element_type.to_dtype()))
    except RuntimeError:  # NumPy has no such type: bfloat16, four bits
        return str(element_type.get_type_name())


def tensors_of(role: str, feeds: Mapping[str, Array], inputs: Mapping[str, TensorSpec]) -> list[ov.Tensor]:
    """The feeds in the model's order, without a copy where they are contiguous.

    A tensor does not keep its array alive: the caller does, until the run is over.

    Raises:
        EngineError: Inputs are missing or too many, or one has another dtype.
    """
    if feeds.keys() != inputs.keys():
        raise EngineError(
            f"OpenVINO failed in `{role}`: it takes {', '.join(inputs)}, got {', '.join(feeds) or 'nothing'}"
        )
    for name, spec in inputs.items():
        if feeds[name].dtype != spec.dtype:
            raise EngineError(f"OpenVINO failed in `{role}`: `{name}` is {feeds[name].dtype}, expected {spec.dtype}")
    return [ov.Tensor(feeds[name], shared_memory=True) for name in inputs]
