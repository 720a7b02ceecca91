"""What floats are computed in, told apart from what they are stored in.

A graph's *precision* is what its export made of it; its *execution* is what a device computes its floats in. A graph in
fp32 could be computed in bfloat16, faster and with 8 bits of mantissa: that is a choice, and never made unasked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import final

from edgediff_runtimes.errors import SettingError

EXECUTIONS = ("f32", "bf16", "f16")


@final
@dataclass(frozen=True, slots=True)
class Wish:
    """What a precision asks to be computed in: the first of ``order`` that the device has; and why."""

    order: tuple[str, ...]
    reason: str


_EXACT = ("f32",)
_HALF = ("bf16", "f16", "f32")
WISHES: dict[str, Wish] = {
    "fp32": Wish(_EXACT, "exported to be exact: a faster execution loses what was asked for"),
    "w16": Wish(_EXACT, "only the stored weights are rounded: arithmetic stays exact"),
    "w8": Wish(_EXACT, "only the stored weights are rounded: arithmetic stays exact"),
    "w4": Wish(_EXACT, "only the stored weights are rounded: arithmetic stays exact"),
    "fp16": Wish(("f16", "bf16", "f32"), "exported for half precision, and checked in it"),
    "bf16": Wish(_HALF, "asked for bfloat16, whose range is that of f32: so before float16"),
    "int8": Wish(_HALF, "what is not quantised stands between quantised operations, which round coarser than either"),
    "mixed": Wish(_HALF, "as int8"),
    "unknown": Wish(_EXACT, "another program's export does not say what it was made for"),
}


def choose_execution(precision: str, asked: str | None, *, available: Collection[str], where: str) -> str:
    """What a graph is to be computed in.

    Args:
        precision: The graph's, from the manifest; one that the table does not know is taken as ``unknown``.
        asked: What the user asks for, or None.
        available: What the device can do.
        where: Engine and device, for the sentence of an error.

    Raises:
        SettingError: The device does not have what the user asks for, or nothing that the precision asks for.
    """
    if asked is not None:
        if asked not in available:
            raise SettingError(
                "execution",
                got=asked,
                expected=f"{' or '.join(available)}, which is what {where} computes in",
                hint="`edgediff devices` lists what every device computes in",
            )
        return asked
    wish = WISHES.get(precision, WISHES["unknown"])
    found = next((execution for execution in wish.order if execution in available), None)
    if found is None:
        raise SettingError(
            "execution",
            got=wish.order[0],
            expected=f"{' or '.join(available)}, which is all that {where} computes in",
            hint=f"a graph in `{precision}` asks for {wish.order[0]}; name another with `execution`",
        )
    return found
