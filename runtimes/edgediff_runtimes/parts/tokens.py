"""Prompts to token ids."""

from __future__ import annotations

from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import Tokens


def tokens(part: Tokens, context: Context) -> dict[str, Value]:
    """Ids of the prompts, then of the negative ones; with mask and positions where they are wanted."""
    settings = context.settings
    negative = part.template if part.negative_template is None else part.negative_template
    texts = [_framed(part.template, text, part.clean) for text in settings.prompts]
    texts += [_framed(negative, text, part.clean) for text in settings.negative_prompts]
    encoded = context.tokenizers[part.tokenizer].encode(texts, length=part.length, side=part.side)
    written = {part.ids: Value(encoded.ids, "texts")}
    if part.mask is not None:
        written[part.mask] = Value(encoded.mask, "texts")
    if part.positions is not None:
        written[part.positions] = Value((encoded.mask.cumsum(axis=1) - 1).clip(0), "texts")
    return written


def _framed(template: str, text: str, clean: str) -> str:
    # Not str.format: a prompt and a template may hold braces of their own.
    return template.replace("{}", text.lower().strip() if clean == "lower" else text, 1)
