"""Prompts to token ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import Tokens
from edgediff_runtimes.text import Encoder
from edgediff_runtimes.text.syntax import Text
from edgediff_runtimes.untrusted.bounds import CHUNKS


def tokens(part: Tokens, context: Context) -> dict[str, Value]:
    """Ids of the prompts, then of the negative ones; with mask, positions and places where they are wanted.

    With a syntax, ids of all texts that they are at some step, in as many rows as they need.
    """
    settings = context.settings
    encoder = context.tokenizers[part.tokenizer]
    if context.texts is not None:
        return {part.ids: _weighted(context.texts, encoder, length=part.length or encoder.max_tokens)}
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


def _weighted(texts: Sequence[Text], encoder: Encoder, *, length: int) -> Value:
    """Rows of all texts, each with as many chunks as the longest."""
    each = [text.weighted(encoder, length=length) for text in texts]
    chunks = max(text.chunks for text in each)
    if chunks > CHUNKS.most:
        got, expected = f"{chunks:,} chunks of {length} tokens", f"at most {CHUNKS.most}, because {CHUNKS.reason}"
        raise SettingError("prompt", got=got, expected=expected)
    padded = tuple(text.padded(chunks) for text in each)
    return Value(np.concatenate([text.ids for text in padded]), "variants", padded)


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
