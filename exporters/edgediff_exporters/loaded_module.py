"""A module with its weights in memory, in float32: all of them, or its buffers alone."""

from __future__ import annotations

import torch

from edgediff_exporters.families.base import ComponentPlan, Config
from edgediff_exporters.tracing import empty_module
from edgediff_exporters.weights import Weights


def loaded_module(plan: ComponentPlan, config: Config, weights: Weights) -> torch.nn.Module:
    """Build a component's module and give it its weights.

    Args:
        plan: The component.
        config: Its config.
        weights: Its weights by parameter name.
    """
    module = module_with_buffers(plan, config, weights)
    for prefix, part in module.named_modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            tensor = weights.tensors[f"{prefix}.{name}" if prefix else name]
            values = tensor.reshape(parameter.shape).to(torch.float32)
            part.register_parameter(name, torch.nn.Parameter(values, requires_grad=False))
    return module


def module_with_buffers(plan: ComponentPlan, config: Config, weights: Weights) -> torch.nn.Module:
    """Build a component's module with its parameters on the meta device, and give it the buffers that were stored.

    Args:
        plan: The component.
        config: Its config.
        weights: Its weights by parameter name.
    """
    module = empty_module(plan, config)
    stored = module.state_dict()
    for name, buffer in module.named_buffers():
        if name in stored:
            buffer.copy_(weights.tensors[name].reshape(buffer.shape))
    return module
