"""What floats are computed in, told apart from what they are stored in.

A graph's *precision* is what its export made of it; its *execution* is what a device computes its floats in. A graph in
fp32 could be computed in bfloat16, faster and with 8 bits of mantissa: that is a choice, and never made unasked.
"""

from __future__ import annotations

from collections.abc import Collection

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.precisions import precision_of

EXECUTIONS = ("f32", "bf16", "f16")


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
    wished = precision_of(precision).executions
    found = next((execution for execution in wished if execution in available), None)
    if found is None:
        raise SettingError(
            "execution",
            got=wished[0],
            expected=f"{' or '.join(available)}, which is all that {where} computes in",
            hint=f"a graph in `{precision}` asks for {wished[0]}; name another with `execution`",
        )
    return found
