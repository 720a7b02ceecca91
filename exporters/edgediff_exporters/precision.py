"""Precisions a graph can be exported in.

- ``fp32``: weights and arithmetic in float32.
- ``fp16``: weights and arithmetic in float16. Inputs and outputs stay float32 and the graph converts, so that every
  runtime feeds all precisions alike.
- ``w16``: matrices stored as float16, arithmetic in float32. Half the size on disk; the engine widens them at load.
- ``w8``: matrices stored as int8 with a scale per output channel, arithmetic in float32. A quarter of the size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from edgediff_exporters.passes.store_smaller import Storage
from edgediff_runtimes.errors import SettingError

PRECISIONS = ("fp32", "fp16", "w16", "w8")
EVERY = "*"


def precision_by_role(precision: str | Mapping[str, str], roles: Iterable[str]) -> dict[str, str]:
    """The precision of each component.

    Args:
        precision: One for all, or by component; ``*`` stands for those not named, which else get ``fp32``.
        roles: The components there are.

    Raises:
        SettingError: A precision or a component is unknown.
    """
    roles = tuple(roles)
    named = {EVERY: precision} if isinstance(precision, str) else dict(precision)
    chosen = {**dict.fromkeys(roles, named.pop(EVERY, "fp32")), **named}
    for role, value in chosen.items():
        if role not in roles:
            raise SettingError("precision", got=f"{role}={value}", expected=f"components among {', '.join(roles)}")
        if value not in PRECISIONS:
            raise SettingError("precision", got=value, expected=f"one of {', '.join(PRECISIONS)}")
    return chosen


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
