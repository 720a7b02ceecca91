"""A Core ML package computed here, operator by operator, in PyTorch: Core ML itself runs on Apple's systems alone.

What the package's file says is computed, not what coremltools was asked for: its operators, its weights and the types
between them. A result that the program says is in float16 is rounded to float16, and overflows where that does. How
Apple's processors sum up inside of an operator is not known here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from edgediff_exporters.coreml.library import module
from edgediff_exporters.coreml.operators import OPERATORS, Call
from edgediff_exporters.tracing import quiet
from edgediff_runtimes.errors import ExportError

_KINDS = {"fp16": torch.float16, "fp32": torch.float32, "int32": torch.int32, "bool": torch.bool}


@final
class PackageProgram:
    """The program of a package, read from its files.

    Args:
        role: The component, for sentences.
        path: The package.

    Raises:
        ExportError: It cannot be read again, or has an operator that is not known here.
    """

    def __init__(self, role: str, path: Path) -> None:
        weights = path / "Data" / "com.apple.CoreML" / "weights"
        try:
            with quiet():
                self.spec = module("coremltools.models.utils").load_spec(str(path))
                load = module("coremltools.converters.mil.frontend.milproto.load").load
                program = load(self.spec, self.spec.specificationVersion, str(weights))
        except Exception as error:  # its exceptions share no base class
            raise ExportError(f"`{role}` cannot be read again from its Core ML package: {error}") from error
        self._function = program.functions["main"]
        self._role = role
        unknown = sorted(self.operators.keys() - OPERATORS.keys())
        if unknown:
            raise ExportError(
                f"`{role}` cannot be checked for Core ML: its package has {', '.join(unknown)}, which is not known here"
            )

    @property
    def operators(self) -> Counter[str]:
        """How many there are of each."""
        return Counter(node.op_type for node in self._function.operations if node.op_type != "const")

    def check_weights(self) -> None:
        """Whether all of its constants are finite.

        Raises:
            ExportError: One is not.
        """
        for node in self._function.operations:
            array = np.asarray(node.outputs[0].val if node.op_type == "const" else 0)
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ExportError(f"the Core ML package of `{self._role}` has weights that are no numbers")

    def run(self, feeds: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Compute it.

        Args:
            feeds: A tensor for every input, by its name in the package.

        Returns:
            Its outputs, in their order.

        Raises:
            ExportError: An operator is used in a way that is not known here.
        """
        known: dict[Any, torch.Tensor] = {variable: _as(tensor, variable) for variable, tensor in self._inputs(feeds)}
        last = {each: node for node in self._function.operations for each in _read_by(node)}
        outputs = set(self._function.outputs)
        with torch.no_grad():
            for node in self._function.operations:
                if node.op_type == "const":
                    continue
                given = {name: _taken(value, known) for name, value in node.inputs.items()}
                results = self._computed(node, {name: value for name, value in given.items() if value is not None})
                known |= {out: _as(result, out) for out, result in zip(node.outputs, results, strict=True)}
                for each in _read_by(node):  # what is not read again, so that memory holds
                    if last[each] is node and each not in outputs:
                        known.pop(each, None)
        return tuple(known[variable] for variable in self._function.outputs)

    def _inputs(self, feeds: Mapping[str, torch.Tensor]) -> Sequence[tuple[Any, torch.Tensor]]:
        return [(variable, feeds[name]) for name, variable in self._function.inputs.items()]

    def _computed(self, node: Any, given: Mapping[str, Any]) -> Sequence[torch.Tensor]:  # noqa: ANN401 - untyped
        try:
            found = OPERATORS[node.op_type](Call(node, given))
        except (NotImplementedError, RuntimeError, KeyError, TypeError, ValueError, IndexError) as error:
            words = f"{node.op_type} ({error})"
            raise ExportError(f"`{self._role}` cannot be checked for Core ML: its package has {words}") from error
        return found if isinstance(found, list | tuple) else (found,)


def _read_by(node: Any) -> set[Any]:  # noqa: ANN401 - untyped
    return {each for value in node.inputs.values() for each in (value if isinstance(value, list | tuple) else [value])}


def _taken(value: Any, known: Mapping[Any, torch.Tensor]) -> Any:  # noqa: ANN401 - untyped
    """What an operator is given: a tensor, several, or nothing where it is a word."""
    if isinstance(value, list | tuple):
        return [_taken(each, known) for each in value]
    if value in known:
        found = known[value]
        return found.float() if found.is_floating_point() else found
    constant = np.asarray(value.val)
    if constant.dtype.kind not in "fiub":
        return None
    tensor = torch.from_numpy(np.array(constant))  # a copy, which may be written to
    return tensor.float() if tensor.is_floating_point() else tensor


def _as(tensor: torch.Tensor, variable: Any) -> torch.Tensor:  # noqa: ANN401 - untyped
    """A result in the type that the program says.

    Raises:
        ExportError: It has another shape.
    """
    if tuple(tensor.shape) != tuple(variable.shape):
        got, expected = tuple(tensor.shape), variable.shape
        raise ExportError(f"`{variable.name}` of a Core ML package is {got}: expected {expected}, as its file says")
    kind = module("coremltools.converters.mil.mil.types").builtin_to_string(variable.dtype)
    return tensor.to(_KINDS[kind])
