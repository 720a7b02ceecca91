"""Advice for text encoders that are larger than they need to be."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping

from edgediff_exporters.opening import OpenedModel
from edgediff_runtimes.precisions import PRECISIONS, precision_of

_LARGE = 3_000_000_000  # bytes: the largest CLIP has 2.8 GB in fp32; beyond it are T5 and language models
_SMALLER = ("w8", "a16w8")  # a byte for each parameter
_WIDTHS = {"as computed": 4, "float16": 2}  # bytes of a stored number; else it is quantised already


class LargeTextEncoderWarning(UserWarning):
    """A text encoder would be stored much larger than its part in a picture is worth."""


def advise(opened: OpenedModel, precisions: Mapping[str, str], *, possible: Collection[str] = PRECISIONS) -> None:
    """Warn of every text encoder that is large as it is asked for, and name the option that makes it smaller.

    Encoders of several billion parameters (T5-XXL, Gemma, Qwen) run once per picture, and are most of what a bundle
    takes. They are known by their headers: no weight is read.

    Args:
        opened: The model.
        precisions: What each component is exported in.
        possible: What it can be exported in.
    """
    smaller = next((name for name in _SMALLER if name in possible), None)
    for plan in opened.plans:
        row = precision_of(precisions[plan.role])
        if smaller is None or opened.recipe.duties[plan.role] != "condition" or row.storage not in _WIDTHS:
            continue
        count = sum(tensor.numel() for tensor in opened.source.weights(plan.origin).tensors.values())
        stored = count * (2 if row.half else _WIDTHS[row.storage])
        if stored < _LARGE:
            continue
        warnings.warn(
            f"`{plan.role}` has {count / 1e9:.1f} billion parameters: {stored / 1e9:.1f} GB in {row.name}, though it "
            f'runs once per picture; with `precision={{"{plan.role}": "{smaller}"}}` it takes {count / 1e9:.1f} GB',
            LargeTextEncoderWarning,
            stacklevel=3,
        )
