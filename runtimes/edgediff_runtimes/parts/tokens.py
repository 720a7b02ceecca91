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
    prompts, (front, seen) = (*settings.prompts, *settings.negative_prompts), _in_front(part, context)
    texts = [front + text for text in _cleaned(prompts, part.clean)]
    texts = [_framed(template, text) for template, text in zip(templates, texts, strict=True)]
    length = (encoder.max_tokens if part.length is None else part.length) + seen
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


def _cleaned(prompts: Sequence[str], clean: str) -> list[str]:
    return [prompt.lower().strip() if clean == "lower" else prompt for prompt in prompts]


def _framed(template: str, text: str) -> str:
    # Not str.format: a prompt and a template may hold braces of their own.
    return template.replace("{}", text, 1)


def _in_front(part: Tokens, context: Context) -> tuple[str, int]:
    """What stands in front of every prompt for the caller's pictures, and how many tokens of these it holds."""
    if part.grids is None:
        return "", 0
    settings, mark = context.settings, part.picture_mark
    for setting, prompts in (("prompt", settings.prompts), ("negative_prompt", settings.negative_prompts)):
        if any(mark in prompt for prompt in prompts):
            raise SettingError(setting, got=mark, expected="a text without it, because it stands for the picture")
    counts = [int(rows * columns) for rows, columns in context.array(part.grids)]
    pictures = [
        _framed(part.picture, str(number)).replace(mark, mark * count) for number, count in enumerate(counts, 1)
    ]
    return "".join(pictures), sum(counts)


def _kept(part: Tokens, headed: list[bool], length: int, row: int) -> NDArray[np.int64]:
    """Places of the tokens that are kept, for rows of ``row`` tokens."""
    if not part.head:
        return np.tile(np.arange(part.dropped, row, dtype=np.int64), (len(headed), 1))
    plain = np.arange(length, dtype=np.int64)
    behind_head = np.concatenate([[0], np.arange(row - length + 1, row)])
    return np.stack([behind_head if has_head else plain for has_head in headed])
