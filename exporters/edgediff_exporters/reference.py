"""The original module, run in float32 with one layer's weights in memory at a time.

Every part of the module that owns parameters fetches them from the mapped checkpoint when it is called and lets go of
them afterwards. A checkpoint in float32 is used in place; any other dtype is converted layer by layer.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

from edgediff_exporters.families.base import ComponentPlan, Config, Outputs
from edgediff_exporters.loaded_module import module_with_buffers
from edgediff_exporters.weights import Weights


def run_reference(
    plan: ComponentPlan, config: Config, weights: Weights, feeds: list[list[torch.Tensor]]
) -> list[Outputs]:
    """Run the module in float32.

    Args:
        plan: The component.
        config: Its config.
        weights: Its parameters by name, in any floating dtype.
        feeds: Inputs of each run, in the plan's order.

    Returns:
        The outputs of each run, in float32.
    """
    module = module_with_buffers(plan, config, weights)
    for prefix, part in module.named_modules():
        if any(True for _ in part.parameters(recurse=False)):
            _fetch_when_called(part, f"{prefix}." if prefix else "", weights)
    # Without oneDNN: it would keep a second, rearranged copy of the largest convolution's weights for each call.
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", message="TF32")  # the switch sets another one back and warns of it
        with torch.backends.mkldnn.flags(enabled=False):
            return [tuple(out.float() for out in plan.forward(module, *inputs)) for inputs in feeds]


def _fetch_when_called(part: torch.nn.Module, prefix: str, weights: Weights) -> None:
    empty = dict(part.named_parameters(recurse=False))

    def fetch(_module: torch.nn.Module, _inputs: Any) -> None:  # noqa: ANN401 - torch's hook
        for name, parameter in empty.items():
            values = weights.tensors[prefix + name].reshape(parameter.shape).to(torch.float32)
            part.register_parameter(name, torch.nn.Parameter(values, requires_grad=False))

    def let_go(_module: torch.nn.Module, _inputs: Any, _output: Any) -> None:  # noqa: ANN401 - torch's hook
        for name, parameter in empty.items():
            part.register_parameter(name, parameter)
        weights.drop_pages()

    part.register_forward_pre_hook(fetch)
    part.register_forward_hook(let_go)
