"""Precisions a graph can be exported in.

- ``fp32``: weights and arithmetic in float32.
- ``fp16``: weights and arithmetic in float16. Inputs and outputs stay float32 and the graph converts, so that every
  runtime feeds all precisions alike.
- ``bf16``: executed in bfloat16 by a device that can; the graph itself is stored in half precision.
- ``w16``: matrices stored as float16, arithmetic in float32. Half the size on disk; the engine widens them at load.
- ``w8``: matrices stored as int8 with a scale per output channel, arithmetic in float32. A quarter of the size.
- ``w4``: products' weights in 4 bits with a scale per group, all others as ``w8``; arithmetic in float32.
- ``int8``: weights and activations of convolutions and products in 8 bits, integer arithmetic.
- ``mixed``: ``int8``, where a search leaves the layers that hurt most in float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from edgediff_exporters.passes.store_smaller import Storage
from edgediff_runtimes.errors import SettingError

PRECISIONS = ("fp32", "fp16", "bf16", "w16", "w8", "w4", "int8", "mixed")
FORMATS = {
    "onnx": ("fp32", "fp16", "w16", "w8", "w4", "int8", "mixed"),
    "openvino": PRECISIONS,
}
CALIBRATED = ("int8", "mixed")
_STRAIGHT = ("fp32", "fp16", "w16", "w8")
SEARCHED = "unet"  # what `mixed` is for: the network that is called again and again
EVERY = "*"

# What a precision that is asked for as a whole means for a component; one that is asked for by name is what was asked.
# A text encoder runs once per picture: there is nothing to win by rounding its activations, and on trained models they
# cost as much as half of all that int8 costs. A VAE has hardly any products for `w4`, and nothing to search in.
_AS_A_WHOLE = {
    "int8": {"text_encoder": "w8"},
    "w4": {"text_encoder": "w8", "vae_decoder": "w8", "vae_encoder": "w8"},
    "mixed": {"text_encoder": "w8", "vae_decoder": "int8", "vae_encoder": "int8"},
}
_HINTS = {
    "bf16": "`--format openvino` has it: it is a way of executing that ONNX Runtime's CPU has not",
}


def precision_by_role(
    precision: str | Mapping[str, str], roles: Iterable[str], *, format_: str = "onnx"
) -> dict[str, str]:
    """The precision of each component.

    Args:
        precision: One for all, or by component; ``*`` stands for those not named, which else get ``fp32``. ``int8``,
            ``w4`` and ``mixed`` for all mean what suits each component.
        roles: The components there are.
        format_: The graphs' format.

    Raises:
        SettingError: A format, a precision or a component is unknown, or the format has no such precision.
    """
    if format_ not in FORMATS:
        raise SettingError("format", got=format_, expected=f"one of {', '.join(FORMATS)}")
    roles = tuple(roles)
    named = {EVERY: precision} if isinstance(precision, str) else dict(precision)
    common = named.pop(EVERY, "fp32")
    for role, value in {**named, EVERY: common}.items():
        if role not in (*roles, EVERY):
            raise SettingError("precision", got=f"{role}={value}", expected=f"components among {', '.join(roles)}")
        if value not in PRECISIONS:
            raise SettingError("precision", got=value, expected=f"one of {', '.join(PRECISIONS)}")
        if value not in FORMATS[format_]:
            possible = f"one of {', '.join(FORMATS[format_])}, which are those of `{format_}`"
            raise SettingError("precision", got=value, expected=possible, hint=_HINTS.get(value))
    suited = _AS_A_WHOLE.get(common, {})
    chosen = {role: named.get(role, suited.get(role, common)) for role in roles}
    if other := next((role for role, value in chosen.items() if value == "mixed" and role != SEARCHED), None):
        hint = "`int8` is what a component has that no search is for"
        raise SettingError("precision", got=f"{other}=mixed", expected=f"`mixed` for `{SEARCHED}` alone", hint=hint)
    return chosen


def straight(format_: str, precisions: Iterable[str]) -> bool:
    """Whether such graphs are written from the model alone; all others are made from the graphs in fp32."""
    return format_ == "onnx" and set(precisions) <= {*_STRAIGHT}


def precision_options(precision: str | Mapping[str, str]) -> list[str]:
    """The same as options of the command."""
    if isinstance(precision, str):
        return ["--precision", precision]
    texts = [value if role == EVERY else f"{role}={value}" for role, value in precision.items()]
    return [word for text in texts for word in ("--precision", text)]


def computes_in(precision: str) -> torch.dtype:
    """What a graph of that precision calculates in."""
    return torch.float16 if precision == "fp16" else torch.float32


def stored_as(precision: str) -> Storage:
    """How a graph of that precision keeps its matrices."""
    stored: dict[str, Storage] = {"w16": "float16", "w8": "int8"}
    return stored.get(precision, "as computed")
