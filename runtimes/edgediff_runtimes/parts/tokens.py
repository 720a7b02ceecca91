"""Prompts to token ids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import Tokens


def tokens(part: Tokens, context: Context) -> dict[str, Value]:
    """Ids of the prompts, then of the negative ones; with mask, positions and places where they are wanted."""
    settings = context.settings
    encoder = context.tokenizers[part.tokenizer]
    negative = part.template if part.negative_template is None else part.negative_template
    templates = [part.template] * len(settings.prompts) + [negative] * len(settings.negative_prompts)
    prompts = (*settings.prompts, *settings.negative_prompts)
    texts = [_framed(template, text, part.clean) for template, text in zip(templates, prompts, strict=True)]
    length = encoder.max_tokens if part.length is None else part.length
    headed = [bool(part.head) and template.startswith(part.head) for template in templates]
    longer = encoder.count(part.head) + length - 2 if any(headed) else length
    encoded = encoder.encode(
        texts,
        lengths=[longer if has_head else length for has_head in headed],
        side=part.side,
        padding=part.padding,
        multiple=part.multiple,
    )
    written = {part.ids: Value(encoded.ids, "texts")}
    if part.mask is not None:
        written[part.mask] = Value(encoded.mask, "texts")
    if part.positions is not None:
        written[part.positions] = Value((encoded.mask.cumsum(axis=1) - 1).clip(0), "texts")
    if part.kept is not None:
        written[part.kept] = Value(_kept(part, headed, length, encoded.ids.shape[1]), "texts")
    return written


def _framed(template: str, text: str, clean: str) -> str:
    # Not str.format: a prompt and a template may hold braces of their own.
    return template.replace("{}", text.lower().strip() if clean == "lower" else text, 1)


def _kept(part: Tokens, headed: list[bool], length: int, row: int) -> NDArray[np.int64]:
    """Places of the tokens that are kept, for rows of ``row`` tokens."""
    if not part.head:
        return np.tile(np.arange(part.dropped, row, dtype=np.int64), (len(headed), 1))
    plain = np.arange(length, dtype=np.int64)
    behind_head = np.concatenate([[0], np.arange(row - length + 1, row)])
    return np.stack([behind_head if has_head else plain for has_head in headed])
