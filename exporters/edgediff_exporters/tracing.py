"""A module becomes a graph without a single weight in memory.

Parameters are made on the meta device, replaced by fake tensors (shapes and dtypes, no storage) and traced with
``torch.onnx.export(dynamo=True)``. The graph that comes back names its initialisers as the module does; their values
are attached afterwards, one at a time, when the graph is written.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import onnx_ir as ir
import torch
from accelerate import init_empty_weights
from torch._subclasses.fake_tensor import FakeTensorMode  # its only home; torch.export documents it
from torch.fx.experimental import proxy_tensor
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.nn.modules.module import register_module_parameter_registration_hook

from edgediff_exporters.attention import translated
from edgediff_exporters.families import ComponentPlan
from edgediff_exporters.families.base import Config, Outputs
from edgediff_exporters.sources.files import refusing_oddities
from edgediff_runtimes.errors import SourceError

OPSET = 21  # the newest whose graphs every runtime here was checked with; GroupNormalization is whole from 21 on
_PREFIX = "module."
# A module may have more parameters than its file has tensors (shared ones, parts left out), and not many times more.
_PARAMETERS_PER_TENSOR, _PARAMETERS_LEFT_OUT = 3, 500


@final
@dataclass(frozen=True, slots=True)
class Traced:
    """A traced graph.

    Attributes:
        model: The graph. Initialisers that are parameters have no value yet and are named as in the module.
        constants: Values of the module's own buffers that no checkpoint decides (position indices and the like), even
            where one holds a tensor of that name: old files do, and merging models has spoilt it in many. And tensors
            that it makes of numbers while it runs, such as a filter's kernel.
        symbols: The tracer's name of each dynamic axis and the declared one.
    """

    model: ir.Model
    constants: dict[str, torch.Tensor]
    symbols: dict[str, str]


def empty_module(plan: ComponentPlan, config: Config, *, tensors: int | None = None) -> torch.nn.Module:
    """The module with its parameters on the meta device; buffers that no checkpoint holds are real.

    Args:
        plan: What to build.
        config: The component's config.
        tensors: How many tensors its weights have; a config that makes many times as many parameters is given up then,
            because to make them all takes minutes. None where the weights were compared already.

    Raises:
        SourceError: The config makes no module, or one of other weights.
    """
    made = 0
    most = None if tensors is None else _PARAMETERS_PER_TENSOR * tensors + _PARAMETERS_LEFT_OUT

    def count(_: torch.nn.Module, name: str, __: torch.nn.Parameter) -> None:
        nonlocal made
        made += 1
        if most is not None and made > most:
            raise SourceError(
                f"the config of `{plan.origin}` makes more than {most:,} parameters, such as `{name}`: its weights "
                f"have {tensors:,} tensors"
            )

    counting = register_module_parameter_registration_hook(count)
    try:
        with refusing_oddities(f"the config of `{plan.origin}`"), init_empty_weights(include_buffers=False):
            module = plan.build(config)
    finally:
        counting.remove()
    return module.eval().requires_grad_(False)  # noqa: FBT003 - torch's own signature


def trace(plan: ComponentPlan, config: Config, *, dtype: torch.dtype) -> Traced:
    """Trace a component.

    Args:
        plan: What to trace.
        config: The component's config.
        dtype: What the graph computes in. Its inputs and outputs stay float32.

    Raises:
        SourceError: The config makes no module, or one that cannot compute.
    """
    module = empty_module(plan, config)
    with quiet():
        module = module.to(dtype)
    for name, part in module.named_modules():
        if name.rpartition(".")[2] in plan.single:
            part.to(torch.float32)
    stored = module.state_dict().keys()
    constants = {name: buffer.clone() for name, buffer in module.named_buffers() if name not in stored}
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    with mode:
        for part in module.modules():
            for name, parameter in part.named_parameters(recurse=False):
                fake = torch.empty(parameter.shape, dtype=parameter.dtype)
                part.register_parameter(name, torch.nn.Parameter(fake, requires_grad=False))
        examples = tuple(torch.zeros(item.sizes(plan.traced), dtype=item.dtype) for item in plan.inputs)
    flat = _Flat(plan, module, dtype).eval()
    axes = (tuple(_dynamic_axes(item.shape) for item in plan.inputs),)
    with refusing_oddities(f"the config of `{plan.origin}`"), quiet():
        # Captured here and not by torch.onnx, which would do it with sizes taken to be perhaps 0 or 1: that fails on
        # a U-Net, and what it then falls back to takes seven times as long.
        captured = torch.export.export(flat, examples, dynamic_shapes=axes, strict=False)
        program = torch.onnx.export(
            captured,
            dynamo=True,
            input_names=[item.name for item in plan.inputs],
            output_names=list(plan.outputs),
            opset_version=OPSET,
            custom_translation_table=translated,
            optimize=False,  # folding would ask fake tensors for their values; our own passes run later
            verbose=False,
        )
    # Kept until the next export otherwise, and with it the whole captured graph.
    proxy_tensor._FAKE_TENSOR_ID_TO_PROXY_MAP_FOR_EXPORT.clear()  # noqa: SLF001 - nothing else empties it
    # A tensor that a module makes of numbers while it runs.
    made = {name.removeprefix(_PREFIX): value for name, value in captured.constants.items()}
    constants = {**{name: value for name, value in made.items() if isinstance(value, torch.Tensor)}, **constants}
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    model = program.model
    _adopt_names(model)
    return Traced(model, constants, _symbols(plan, model))


@final
class _Flat(torch.nn.Module):
    """The module behind positional tensors, converting at the edges."""

    def __init__(self, plan: ComponentPlan, module: torch.nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module = module
        self._plan = plan
        self._dtype = dtype

    def forward(self, *tensors: torch.Tensor) -> Outputs:
        lengths: dict[str, int] = {}
        for item, tensor in zip(self._plan.inputs, tensors, strict=True):
            for axis, length in zip(item.shape, tensor.shape, strict=True):
                if isinstance(axis, str):
                    # Each input gets symbols of its own; nothing else tells the tracer that they are one length.
                    torch._check(length == lengths.setdefault(axis, length))  # type: ignore[no-untyped-call]  # noqa: SLF001
        if self._dtype != torch.float32:
            # A timestep stays float32: half precision cannot tell 999 from 999.5, and the module converts it itself.
            tensors = tuple(
                tensor.to(self._dtype) if tensor.is_floating_point() and tensor.ndim > 1 and not item.exact else tensor
                for item, tensor in zip(self._plan.inputs, tensors, strict=True)
            )
        return tuple(output.float() for output in self._plan.forward(self.module, *tensors))


def _dynamic_axes(shape: tuple[int | str, ...]) -> dict[int, object]:
    return {index: torch.export.Dim.DYNAMIC for index, axis in enumerate(shape) if isinstance(axis, str)}


def _adopt_names(model: ir.Model) -> None:
    """Name initialisers as the module does and drop their fake values."""
    for value in list(model.graph.initializers.values()):
        if value.name is not None and value.name.startswith(_PREFIX):
            value.name = value.name.removeprefix(_PREFIX)
            value.const_value = None


def _symbols(plan: ComponentPlan, model: ir.Model) -> dict[str, str]:
    symbols: dict[str, str] = {}
    for item, value in zip(plan.inputs, model.graph.inputs, strict=True):
        if value.shape is None:
            continue
        for declared, traced in zip(item.shape, value.shape, strict=True):
            if isinstance(declared, str) and isinstance(traced, ir.SymbolicDim) and traced.value is not None:
                symbols[traced.value] = declared
    return symbols


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep torch's notes on its own insides from the user: they ask nothing of them."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
