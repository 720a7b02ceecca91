"""What people may type for a drawing, and what training never sees of it.

A caption is a subject (the name, a keyword, several of them, a colour and a name) inside a wording. Most words of the
training wordings mean nothing on purpose, some are even made up: the model learns to look for the subject. Held out,
for `evaluate.py` alone:

- `UNSEEN_TEMPLATES`: ten whole wordings, four of them with words that no training wording has;
- `Concept.held_out`: one keyword each of every drawing that has many;
- two colours of each recoloured drawing (`recolour.py`).
"""

from __future__ import annotations

import random
from collections import Counter
from typing import final

from benchmarks.models.emoji.data import Concept
from benchmarks.models.emoji.recolour import Recolouring

TEMPLATES = (
    "a {}", "the {}", "one {}", "an emoji of a {}", "an emoji of {}", "{} emoji", "emoji: {}", "a drawing of a {}",
    "drawing of {}", "a picture of a {}", "picture of the {}", "the picture shows {}", "an image of a {}",
    "image: {}", "a photo showing {}", "photo of {}", "{} photo", "a cute {}", "cute little {}", "a nice {}",
    "a small {}", "a big {}", "a beautiful {}", "{} icon", "an icon of the {}", "icon for {}", "a sticker of {}",
    "{} sticker", "{} symbol", "a simple {}", "{}, simple", "{} clip art", "vector art of a {}", "{} illustration",
    "illustration of the {}", "a cartoon {}", "cartoon of a {}", "draw a {}", "draw {}", "please show a {}",
    "show {}", "make a {}", "give me a {}", "i want a {}", "i like the {}", "my {}", "this is a {}", "here is {}",
    "look, a {}", "a sketch of {}", "{} on white", "{} on a plain background", "{}, white background",
    "a painting of {}", "{} in colour", "{}!", "{}.", "some {}", "a very nice {}", "a lovely {}", "a shiny {}",
    "a funny {}", "just {}",
)  # fmt: skip

UNSEEN_TEMPLATES = (
    "a photo of a {}", "please draw a {}", "a small picture of the {}", "a cute sticker of a {}",
    "i want an icon of {}", "show me one {}", "an oil portrait featuring {}", "my favourite {} ever",
    "generate something like a {}", "hello, could you paint {} for us",
)  # fmt: skip

FILLERS = (
    "nice", "cute", "small", "big", "simple", "lovely", "very", "really", "little", "pretty", "new", "modern",
    "classic", "detailed", "flat", "clean", "great", "bright", "digital", "quality", "art", "style", "photo",
    "picture", "image", "drawing", "emoji", "icon", "for", "with", "of", "on", "the", "a", "an", "in", "my", "your",
    "some", "one", "best",
)  # fmt: skip
_SYLLABLES = tuple(
    consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in ("a", "e", "i", "o", "u", "er", "in")
)


def check(templates: tuple[str, ...] = TEMPLATES) -> None:
    """Raise if a held-out wording is among the trained ones."""
    leaked = set(templates) & set(UNSEEN_TEMPLATES)
    if leaked:
        raise ValueError(f"held-out wordings {sorted(leaked)} are in TEMPLATES: take them out of one of the two lists")


@final
class Captions:
    """Draws training captions.

    Args:
        concepts: What there is to draw.
    """

    def __init__(self, concepts: list[Concept]) -> None:
        check()
        self._concepts = concepts
        self._keywords = [[word for word in one.keywords if word != one.held_out] for one in concepts]
        shared = Counter(word for words in self._keywords for word in words)
        self._weights = [[1 / shared[word] for word in words] for words in self._keywords]

    def keywords(self, concept: int) -> list[str]:
        """The keywords of a concept that may be trained."""
        return self._keywords[concept]

    def everything(self) -> list[str]:
        """Every name, keyword and wording of training, names and wordings oftener: what the tokenizer is made from."""
        words = [one.name for one in self._concepts] * 6 + [word for words in self._keywords for word in words]
        return words + [template.format("") for template in TEMPLATES] * 10

    def draw(self, concept: int, dice: random.Random) -> str:
        """A caption for a drawing."""
        return _wrap(self._subject(concept, dice), dice)

    def draw_coloured(self, one: Recolouring, dice: random.Random) -> str:
        """A caption for a recoloured drawing: always the colour, then mostly the name."""
        name = one.base
        if self._keywords[one.concept] and dice.random() < 0.15:
            (name,) = dice.choices(self._keywords[one.concept], self._weights[one.concept])
        subject = f"{name} in {one.colour}" if dice.random() < 0.1 else f"{one.colour} {name}"
        return _wrap(subject, dice)

    def _subject(self, concept: int, dice: random.Random) -> str:
        name, words = self._concepts[concept].name, self._keywords[concept]
        kind = dice.random()
        if not words or kind < 0.5:
            return name
        chosen = list(dict.fromkeys(dice.choices(words, self._weights[concept], k=3)))
        if kind < 0.82:
            return chosen[0]
        if kind < 0.90:
            return " ".join(chosen[:2])
        return f"{name} {chosen[0]}" if kind < 0.95 else f"{chosen[0]} {name}"


def _wrap(subject: str, dice: random.Random) -> str:
    kind = dice.random()
    if kind < 0.35:
        return subject
    if kind < 0.75:
        return _unless_held_out(dice.choice(TEMPLATES), subject)
    words = [_made_up(dice) if dice.random() < 0.35 else dice.choice(FILLERS) for _ in range(dice.randint(1, 6))]
    before = dice.randint(0, len(words)) if dice.random() < 0.5 else len(words)
    return _unless_held_out(" ".join([*words[:before], "{}", *words[before:]]), subject)


def _unless_held_out(template: str, subject: str) -> str:
    """Random fillers can meet a held-out wording by chance."""
    return subject if template in UNSEEN_TEMPLATES else template.format(subject)


def _made_up(dice: random.Random) -> str:
    return "".join(dice.choices(_SYLLABLES, k=dice.randint(1, 3)))
