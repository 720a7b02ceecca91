"""A module as a TorchScript file of fixed shapes, in the words that the converter knows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, final

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from edgediff_exporters.families.base import ComponentPlan, Config, Outputs
from edgediff_exporters.tracing import empty_module
from edgediff_exporters.weights import Weights

# What a score is lessened by where a token must not look: large enough, and no infinity in any precision.
_HIDDEN = -1e4


def write_script(plan: ComponentPlan, config: Config, weights: Weights, path: Path) -> tuple[tuple[int, ...], ...]:
    """Trace a component with its weights in float32, all of which are in memory meanwhile.

    Args:
        plan: A component all of whose axes have fixed lengths.
        config: Its config.
        weights: Its weights by parameter name.
        path: The file to write.

    Returns:
        The shape of every output.
    """
    module = empty_module(plan, config)
    stored = module.state_dict()
    for name, buffer in module.named_buffers():
        if name in stored:
            buffer.copy_(weights.tensors[name].reshape(buffer.shape))
    for prefix, part in module.named_modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            tensor = weights.tensors[f"{prefix}.{name}" if prefix else name]
            values = tensor.reshape(parameter.shape).to(torch.float32)
            part.register_parameter(name, torch.nn.Parameter(values, requires_grad=False))
    generator = torch.Generator().manual_seed(0)
    examples = tuple(item.draw({}, generator) for item in plan.inputs)
    behind = _Behind(plan, module).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of what a trace fixes: that is what is wanted
        with _Masked():
            shapes = tuple(tuple(output.shape) for output in behind(*examples))
            traced = torch.jit.trace(behind, examples, check_trace=False)  # type: ignore[no-untyped-call]
        # Without submodules: the converter fails where one of them is used twice.
        torch.jit.freeze(traced.eval(), optimize_numerics=False).save(str(path))
    return shapes


@final
class _Behind(torch.nn.Module):
    """The module behind positional tensors."""

    def __init__(self, plan: ComponentPlan, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module
        self._plan = plan

    def forward(self, *tensors: torch.Tensor) -> Outputs:
        return self._plan.forward(self.module, *tensors)


@final
class _Masked(TorchFunctionMode):
    """Gives causal attention its mask as a constant, while a module is traced: the converter fails without."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - torch's own signature
        named = dict(kwargs or {})
        if func is functional.scaled_dot_product_attention and named.pop("is_causal", False):
            length = args[0].shape[-2]
            named["attn_mask"] = torch.full((length, length), _HIDDEN).triu(1)
        return func(*args, **named)
