"""A module as a TorchScript file of fixed shapes, in the words that the converter knows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, final

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import CLIPTextConfig

from edgediff_exporters.families.base import ComponentPlan, Config, Outputs
from edgediff_exporters.loaded_module import loaded_module
from edgediff_exporters.weights import Weights

# What a score is lessened by where a token must not look: large enough, and no infinity in any precision.
_HIDDEN = -1e4
_NO_END = 2  # the `eos_token_id` of CLIP's old configs, which is not that of the token
_BASE = 256
_TO_PICTURES = "nhwpqc->nchpwq"  # as diffusers says it; ncnn's tensors have four axes at most, beside the rows


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
    module = loaded_module(plan, config, weights)
    generator = torch.Generator().manual_seed(0)
    examples = tuple(item.draw({}, generator) for item in plan.inputs)
    behind = _Behind(plan, module, config).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of what a trace fixes: that is what is wanted
        shapes = tuple(tuple(output.shape) for output in behind(*examples))
        traced = torch.jit.trace(behind, examples, check_trace=False)  # type: ignore[no-untyped-call]
        # Without submodules: the converter fails where one of them is used twice.
        torch.jit.freeze(traced.eval(), optimize_numerics=False).save(str(path))
    return shapes


@final
class _Behind(torch.nn.Module):
    """The module behind positional tensors, in words that the converter knows."""

    def __init__(self, plan: ComponentPlan, module: torch.nn.Module, config: Config) -> None:
        super().__init__()
        self.module = module
        self._plan, self._config = plan, config

    def forward(self, *tensors: torch.Tensor) -> Outputs:
        clip = self._config.get("model_type") == "clip_text_model"
        with _Reworded(partial(_where_it_ends, tensors[0], self._config) if clip else None):
            return self._plan.forward(self.module, *tensors)


@final
class _Reworded(TorchFunctionMode):
    """What the converter fails at, in other words, while a module is traced.

    Causal attention gets its mask as a constant, ``states[rows, places]`` is computed by ``pick``, and squares become
    pictures without a tensor of six axes.
    """

    def __init__(self, pick: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
        super().__init__()
        self._pick = pick
        self._squares: list[tuple[torch.Tensor, torch.Tensor]] = []  # in six axes and in three

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
        if func is torch.Tensor.__getitem__ and self._pick is not None:
            states, places = args
            if isinstance(places, tuple) and all(isinstance(place, torch.Tensor) for place in places):
                return self._pick(states)
        if func is torch.einsum and args[0] == _TO_PICTURES:
            for wide, tokens in self._squares:
                if wide is args[1]:
                    return _pictures(tokens, wide.shape)
        found = func(*args, **named)
        if func is torch.Tensor.reshape and found.ndim == len("nhwpqc"):
            self._squares.append((found, args[0]))
        return found


def _pictures(tokens: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """The pictures, ``(1, channels, height, width)``, whose squares are tokens; ``shape`` is that of ``nhwpqc``."""
    _, rows, columns, side, _, channels = shape
    lines = tokens.reshape(1, rows, columns, side, side * channels).transpose(2, 3)
    return lines.reshape(1, rows * side, columns * side, channels).permute(0, 3, 1, 2)


def _where_it_ends(ids: torch.Tensor, config: Config, states: torch.Tensor) -> torch.Tensor:
    """The states, ``(1, dim)``, of the token that ends a text: ncnn does not compare whole numbers, it looks rows up.

    That is the first ``eos_token_id``, or in old configs the first of the highest number, digit by digit, so that
    float16 tells them apart; as transformers finds it.
    """
    read = CLIPTextConfig.from_dict(config)  # with what it fills in
    numbers, end = torch.arange(read.vocab_size), read.eos_token_id
    digits = (numbers // _BASE, numbers % _BASE + 1) if end == _NO_END else (numbers == end,)
    marks: Any = 1.0
    for digit in digits:
        values = functional.embedding(ids, digit.to(torch.float32)[:, None]) * marks
        marks = (1.0 - (values.amax(1, keepdim=True) - values)).clamp(0.0, 1.0)
    first = marks * (2.0 - marks.cumsum(1)).clamp(0.0, 1.0)
    found: torch.Tensor = (first * states).sum(1)
    return found
