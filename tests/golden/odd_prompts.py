"""Odd prompts, the same for a seed: every script, emoji, control characters, spellings of marks, spaces, long texts."""

from __future__ import annotations

import json
import random
import unicodedata
from pathlib import Path

ODD = json.loads((Path(__file__).parent / "text" / "odd.json").read_text(encoding="utf-8"))
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)
_LONG_EVERY = 300  # one in so many prompts is long
_LONG = 10_000  # characters, at least


def odd_prompts(count: int, *, seed: int) -> list[str]:
    """Prompts; at most half of them are single pieces with a space or a letter beside."""
    draw = random.Random(seed)  # noqa: S311 - nothing is kept secret
    words = ODD["words"]
    fixed = ["", " ", "  ", "\n", "\u3000", "a", "▁", "\0"]
    fixed += [text for kind in ("marks", "emoji", "symbols", "sentences") for text in ODD[kind]]
    prompts = [prompt for text in fixed for prompt in (text, f" {text}", f"{text} ", f"a {text} b", f"a{text}b")]
    prompts = draw.sample(prompts, min(len(prompts), count // 2))
    while len(prompts) < count:
        text = _prompt(draw, words)
        if len(prompts) % _LONG_EVERY == 0:
            while len(text) < _LONG:
                text += draw.choice(["", " ", " ", "\n"]) + _prompt(draw, words)
        prompts.append(text)
    return prompts


def _prompt(draw: random.Random, words: list[str]) -> str:
    text = draw.choice(["", "", "", " ", "  ", "\n"])
    for _ in range(draw.randint(1, 9)):
        text += _piece(draw, words) + draw.choice([" ", " ", " ", " ", "", draw.choice(ODD["spaces"])])
    return unicodedata.normalize(draw.choice(FORMS), text) if draw.random() < 0.3 else text


def _piece(draw: random.Random, words: list[str]) -> str:
    kind = draw.random()
    if kind < 0.6:
        word = draw.choice(words)
        return draw.choice([word, word, word, word.upper(), word.lower(), word.title()])
    if kind < 0.9:
        return draw.choice(ODD[draw.choice(["emoji", "controls", "spaces", "marks", "symbols"])])
    places = [draw.randrange(draw.choice([0x250, 0x3000, 0x11000, _LAST])) for _ in range(draw.randint(1, 6))]
    return "".join(chr(place) for place in places if place not in _SURROGATES)
