"""Words of textual inversion that are several tokens: ``<owl>`` beside ``<owl>_1`` stands for both, as in diffusers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from edgediff_runtimes.text.rows import Chain


def spelled_out(chain: Chain, words: Iterable[str]) -> Chain:
    """A chain that writes every word with all its numbered followers where a prompt has the word alone.

    Args:
        chain: It finds the words, and their followers.
        words: All words that were added to the vocabulary.
    """
    known = {word.lower(): word for word in words}
    longer: dict[str, str] = {}
    for lowered, word in known.items():
        followers: list[str] = []
        while (follower := f"{lowered}_{len(followers) + 1}") in known:
            followers.append(known[follower])
        if followers:
            longer[lowered] = " ".join([word, *followers])
    if not longer:
        return chain
    ordered = sorted(longer, key=len, reverse=True)
    pattern = re.compile("|".join(rf"{re.escape(word)}(?!_\d)" for word in ordered), re.IGNORECASE)
    prepare = chain.prepare
    return replace(chain, prepare=lambda text: pattern.sub(lambda found: longer[found[0].lower()], prepare(text)))
