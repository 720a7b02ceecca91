"""What can be drawn and will most likely disappoint: sizes and words that a model was not made for."""

from __future__ import annotations

import re
import unicodedata

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.text.syntax import SYNTAXES
from edgediff_runtimes.untrusted.bounds import TEXT_BYTES
from edgediff_runtimes.untrusted.documents import read_text

_FACTOR = 2  # from this ratio on, models draw one thing twice, or a blot
_MOST_QUOTED = 5
_WORD = re.compile(r"[^\W\d_]{2,}")  # single letters are what an apostrophe leaves


def doubts(bundle: Bundle, settings: Settings) -> list[str]:
    """What a user should know before a run, in a sentence each.

    Args:
        bundle: Tells the size that it was made for, and in its ``vocabulary``, if it has one, the words.
        settings: Of the run.

    Raises:
        ComponentFileError: The vocabulary cannot be read, is too long, or no text.
    """
    prompts = (*settings.prompts, *settings.to_prompts)
    if settings.syntax is not None:
        prompts = tuple(SYNTAXES[settings.syntax](prompt, "prompt").words for prompt in prompts)
    return [*_of_size(bundle, settings), *_of_words(bundle, prompts)]


def words_of(text: str) -> set[str]:
    """The words of a text as a vocabulary has them: runs of letters, lower-case."""
    return set(_WORD.findall(unicodedata.normalize("NFC", text).lower()))


def _of_size(bundle: Bundle, settings: Settings) -> list[str]:
    if bundle.manifest.recipe.first.space.upscale > 1:  # what is in such a picture, the caller's small one says
        return []
    defaults = bundle.manifest.defaults
    made_for, asked = (defaults.width, defaults.height), (settings.width, settings.height)
    pairs = [(side, made) for side, made in zip(asked, made_for, strict=True) if made is not None]
    if max((max(side / made, made / side) for side, made in pairs), default=1.0) < _FACTOR:
        return []
    sizes = [f"{width}x{height}" for width, height in (asked, made_for)]
    return [f"the model was made for pictures of {sizes[1]}: at {sizes[0]} expect repetitions or blots"]


def _of_words(bundle: Bundle, prompts: tuple[str, ...]) -> list[str]:
    entry = bundle.manifest.provenance.vocabulary
    if entry is None:
        return []
    known = set(read_text(bundle.locate(entry.path), name=entry.path, bound=TEXT_BYTES).split())
    unknown = sorted(words_of(" ".join(prompts)) - known)
    if not unknown:
        return []
    quoted = ", ".join(f"`{word}`" for word in unknown[:_MOST_QUOTED])
    more = f" and {len(unknown) - _MOST_QUOTED} more" if len(unknown) > _MOST_QUOTED else ""
    return [f"the model was not taught {quoted}{more}: it draws the nearest of its {len(known)} words, or a blot"]
