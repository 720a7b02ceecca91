"""Whether a source's tensors are those of its modules, looked at before anything is exported.

Modules are made without memory for their parameters, and of the tensors only names, shapes and dtypes are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from edgediff_exporters.families import ComponentPlan
from edgediff_exporters.leftovers import check_leftovers
from edgediff_exporters.sources.base import Source
from edgediff_exporters.tracing import empty_module
from edgediff_runtimes.errors import SourceError


def check_tensors(source: Source, plans: Sequence[ComponentPlan], *, leftovers: Mapping[str, str]) -> None:
    """Compare the tensors of a source with the parameters of its modules.

    Args:
        source: The source.
        plans: Its components.
        leftovers: Patterns of tensors that may be left unread, each with the reason why.

    Raises:
        SourceError: A tensor is missing or misshapen, or belongs to something that is no part of the model.
    """
    tensors = {plan.origin: source.weights(plan.origin).tensors for plan in plans}
    modules = [
        (plan, empty_module(plan, source.config(plan.origin), tensors=len(tensors[plan.origin]))) for plan in plans
    ]
    # First what is there and has no place: a LoRA that was not merged takes the place of tensors that are missing then.
    check_leftovers(source.unread, leftovers, where=f"`{source.name}`")
    for origin, names in tensors.items():
        unread = {*names}
        for plan, module in modules:
            if plan.origin == origin:  # of which two may read parts of it
                own = {*module.state_dict(), *(name for name, _ in module.named_buffers())}
                unread -= {name for name in names if plan.rename(name) in own}
        check_leftovers(unread, leftovers, where=f"`{origin}`")
    for plan, module in modules:
        renamed = {plan.rename(name): tensor for name, tensor in tensors[plan.origin].items()}
        for name, value in module.state_dict().items():
            _check(renamed.get(name), value, name=name, origin=plan.origin)


def _check(tensor: torch.Tensor | None, value: torch.Tensor, *, name: str, origin: str) -> None:
    if tensor is None:
        raise SourceError(f"the weights of `{origin}` are not complete: expected a tensor `{name}`")
    if tensor.numel() != value.numel():  # axes of length 1 come and go: a 1x1 convolution is a linear layer today
        raise SourceError(
            f"the tensor `{name}` of `{origin}` has shape {tuple(tensor.shape)}: its config says {tuple(value.shape)}"
        )
    if value.is_floating_point() and not tensor.is_floating_point():
        raise SourceError(
            f"the tensor `{name}` of `{origin}` holds {str(tensor.dtype).removeprefix('torch.')}: expected floats",
            hint="quantised weights are not read; get the edition of the model in half or single precision",
        )
