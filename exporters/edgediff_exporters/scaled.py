"""A tensor that is stored in float8 with one scale for all of it, and is multiplied out where its values are asked for.

What programs write that quantise T5 and large transformers to float8: numbers are ``stored * scale``, in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, final

import torch

_ATEN = torch.ops.aten
# What lays a tensor out in another way and leaves its numbers as they are.
_VIEWS = frozenset({
    _ATEN.alias.default, _ATEN.detach.default, _ATEN.permute.default, _ATEN.slice.Tensor, _ATEN.split.Tensor,
    _ATEN.split_with_sizes.default, _ATEN.t.default, _ATEN.transpose.int, _ATEN.unsqueeze.default,
    _ATEN.view.default, _ATEN.expand.default, _ATEN.select.int,
})  # fmt: skip


@final
class ScaledTensor(torch.Tensor):
    """``stored * scale``: ``stored`` of any float dtype, which it has until it is converted, ``scale`` one number."""

    stored: torch.Tensor
    scale: torch.Tensor

    @staticmethod
    def __new__(cls: type[ScaledTensor], stored: torch.Tensor, scale: torch.Tensor) -> ScaledTensor:  # noqa: D102 - of torch's, which has no other way in
        made: ScaledTensor = torch.Tensor._make_wrapper_subclass(  # noqa: SLF001 - so are such classes made
            cls, stored.shape, strides=stored.stride(), dtype=stored.dtype, device=stored.device
        )
        made.stored, made.scale = stored, scale
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override] # torch declares it without `cls` and `func`
        cls,
        func: Callable[..., Any],
        _types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - torch's hook
        """Views stay scaled; all else is computed with the product, in float32."""
        if func in _VIEWS:
            scale = args[0].scale
            made = func(args[0].stored, *args[1:], **(kwargs or {}))
            return cls(made, scale) if isinstance(made, torch.Tensor) else [cls(one, scale) for one in made]
        return func(*map(_multiplied, args), **(kwargs or {}))


def _multiplied(argument: Any) -> Any:  # noqa: ANN401 - of any function of torch's
    if isinstance(argument, ScaledTensor):
        return argument.stored.to(torch.float32) * argument.scale.to(torch.float32).reshape(())
    return [_multiplied(one) for one in argument] if isinstance(argument, list | tuple) else argument


def place_in_memory(tensor: torch.Tensor) -> int:
    """Where a tensor's stored values begin."""
    return (tensor.stored if isinstance(tensor, ScaledTensor) else tensor).data_ptr()
