"""The syntax of compel: ``word++``, ``(words)1.2``, ``("one", "other").and()``, ``.blend(1, 0.8)``.

https://github.com/damian0815/compel, doc/syntax.md. Words that weigh less than 1 are taken out in part as its
``DownweightMode.REMOVE`` does it; its default masks them in the text encoder, and a CLIP of a bundle takes no mask.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.text.encoding import Encoder
from edgediff_runtimes.text.syntax.chunks import Token, room_of, rows_of
from edgediff_runtimes.text.syntax.mixed import Clause, Mixed, Term
from edgediff_runtimes.text.syntax.reading import HEAVIEST, NESTING, Phrase, Prompt, Source, Text, place

_MORE, _LESS = 1.1, 0.9  # of each sign
# A word and the signs behind it; a sign between letters is the word's own.
_WEIGHED = re.compile(
    r'((?:\\.|[^\s()",.=+\\-]|[+-](?=[^\s()",.=+-]))+)(\+{2,}|-{2,}|[+-](?![^\s()",.=+-]))', re.DOTALL
)
_PLAIN = re.compile(r'(?:\\.|[^()"\s\\,])+|,', re.DOTALL)
_WEIGHT = re.compile(r"\++|-+|[0-9]{1,9}(?:\.[0-9]{1,18})?")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LIST = re.compile(
    r'\s*\(\s*("(?:\\.|[^"\\])*"(?:\s*,\s*"(?:\\.|[^"\\])*")*)\s*\)\.(and|add|blend)\(([^()]*)\)\s*', re.DOTALL
)
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_CALL = re.compile(r"(?<!\\)\.(swap|attend|blend|and|add)\(|\b(withLora|useLora)\(")
_SIGNED = re.compile(r"\s*(-?[0-9]{1,9}(?:\.[0-9]{1,18})?)\s*")
_UNNORMALISED = "no_normalize"
_ENDS = (frozenset({".</w>"}), frozenset({".</w>", ",</w>", ";</w>", ":</w>"}))  # of sentences, of phrases
_END_OF_WORD = "</w>"
_NO_WEIGHT = 1e-5  # so that its tangent is finite


@final
@dataclass(slots=True)
class _Group:
    """An open bracket or quote, or the whole text; what is in it so far."""

    sign: str = ""
    place: int = 0
    phrases: list[Phrase] = field(default_factory=list)


@final
@dataclass(frozen=True, slots=True)
class _Prompts(Prompt, Text):
    """Prompts side by side, or mixed.

    Attributes:
        prompts: Each as phrases; one where the text has no ``and`` or ``blend``.
        weights: Of each.
        blend: They are mixed into one.
    """

    prompts: tuple[tuple[Phrase, ...], ...]
    weights: tuple[float, ...]
    blend: bool = False

    def at(self, step: int, steps: int) -> Text:  # noqa: ARG002 - the same at every step
        return self

    @property
    def changes(self) -> bool:
        return False

    @property
    def words(self) -> str:
        return " ".join(phrase.text for prompt in self.prompts for phrase in prompt)

    def weighted(self, encoder: Encoder, *, length: int) -> Mixed:
        each = [_terms(prompt, encoder, length=length) for prompt in self.prompts]
        empty = rows_of([()], encoder, length=length)[0][0]
        pairs = zip(each, self.weights, strict=True)
        if not self.blend:
            return Mixed(tuple(Clause(terms, weight) for terms, weight in pairs), empty)
        mixed = [Term(term.share * weight, term.ids, term.weights) for terms, weight in pairs for term in terms]
        return Mixed((Clause(tuple(mixed)),), empty)


def read(text: str, setting: str) -> Prompt:
    """Read a prompt.

    Args:
        text: The prompt.
        setting: The setting that it is, for the error.

    Raises:
        SettingError: It is not written as compel's documentation says.
    """
    source = Source(text, setting)
    listed = _LIST.fullmatch(text)
    if listed is not None:
        quotes = list(_QUOTED.finditer(text, *listed.span(1)))
        prompts = tuple(_phrases(quote[1].replace('\\"', '"'), source, offset=quote.start(1)) for quote in quotes)
        weights, normalised = _weights(listed[3], len(prompts), source, blend=listed[2] == "blend")
        if listed[2] == "blend" and normalised:
            total = sum(weights)
            if abs(total) < _NO_WEIGHT:
                source.refuse("weights of the blend that do not add up to 0", hint=f"`{_UNNORMALISED}` takes them")
            weights = tuple(weight / total for weight in weights)
        return _Prompts(prompts, weights, blend=listed[2] == "blend")
    return _Prompts((_phrases(text, source),), (1.0,))


def _weights(text: str, count: int, source: Source, *, blend: bool) -> tuple[tuple[float, ...], bool]:
    """Weights of prompts, and whether they are made to add up to 1."""
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    normalised = not (blend and words and words[-1] == _UNNORMALISED)
    numbers = [_SIGNED.fullmatch(word) for word in (words if normalised else words[:-1])]
    found = tuple(float(number[1]) for number in numbers if number is not None)
    if len(found) != len(numbers) or len(found) not in (0, count) or any(abs(one) > HEAVIEST for one in found):
        source.refuse(f"{count} weights from {-HEAVIEST:g} to {HEAVIEST:g} in the last brackets, or none")
    return found or (1.0,) * count, normalised


def _phrases(text: str, source: Source, *, offset: int = 0) -> tuple[Phrase, ...]:
    """Phrases of one prompt; what is next to each other and weighs the same is one.

    Args:
        text: The prompt, or one of several in quotes.
        source: All of it.
        offset: Where ``text`` begins in it.
    """
    if found := _CALL.search(text):
        at = place(offset + found.start())
        if found[2]:
            source.refuse(f"no `{found[2]}`, as there is at {at}", hint="a LoRA is given beside it: `loras`")
        listed = "only `and` and `blend` are built, for a list of prompts in quotes that is the whole text"
        source.refuse(f"no `.{found[1]}` as there is at {at}: {listed}")
    open_, index = [_Group()], 0
    while index < len(text):
        if text[index] in '()"':
            index = _bracket(text, index, open_, source, offset)
        elif found := _WEIGHED.match(text, index):
            open_[-1].phrases.append(Phrase(_ESCAPED.sub(r"\1", found[1]), _power(found[2])))
            index = found.end()
        elif found := _PLAIN.match(text, index):
            open_[-1].phrases.append(Phrase(_ESCAPED.sub(r"\1", found[0])))
            index = found.end()
        elif text[index] == "\\":
            source.refuse(f"a character behind the `\\` at {place(offset + index)}", hint="`\\\\` is a backslash")
        else:
            index += 1
    if len(open_) > 1:
        _refuse_unbalanced(source, open_[-1].sign, offset + open_[-1].place)
    if any(phrase.weight > HEAVIEST for phrase in open_[0].phrases):
        source.refuse(f"weights up to {HEAVIEST:g}, those of all brackets multiplied")
    return _fused(open_[0].phrases)


def _bracket(text: str, index: int, open_: list[_Group], source: Source, offset: int) -> int:
    """Open or close a bracket or a quote; where the text goes on."""
    sign, top = text[index], open_[-1]
    if sign == "(" or (sign == '"' and top.sign != '"'):
        if len(open_) > NESTING.most:
            source.refuse(f"at most {NESTING.most} brackets inside each other, because {NESTING.reason}")
        open_.append(_Group(sign, index))
        return index + 1
    if (sign, top.sign) not in ((")", "("), ('"', '"')):
        _refuse_unbalanced(source, sign, offset + index)
    open_.pop()
    found = _WEIGHT.match(text, index + 1)
    weight = 1.0 if found is None else _power(found[0])
    open_[-1].phrases += [Phrase(phrase.text, phrase.weight * weight) for phrase in top.phrases]
    return index + 1 if found is None else found.end()


def _power(weight: str) -> float:
    """``++``, ``-`` or a number."""
    if weight[0] in "+-":
        # Signs without end would be no float; what is too heavy is refused, and what is 0 stays so.
        return math.pow(_MORE if weight[0] == "+" else _LESS, min(len(weight), 1000))
    return float(weight)


def _refuse_unbalanced(source: Source, sign: str, index: int) -> None:
    source.refuse(f"brackets in pairs: `{sign}` at {place(index)} has none", hint=f"`\\{sign}` is one of the text")


def _fused(phrases: list[Phrase]) -> tuple[Phrase, ...]:
    fused: list[Phrase] = []
    for phrase in phrases:
        if fused and fused[-1].weight == phrase.weight:
            fused[-1] = Phrase(f"{fused[-1].text} {phrase.text}", phrase.weight)
        else:
            fused.append(phrase)
    return tuple(fused)


def _terms(phrases: tuple[Phrase, ...], encoder: Encoder, *, length: int) -> tuple[Term, ...]:
    """A prompt, and for each phrase that weighs less than 1 the prompt without it.

    Their shares are 1 and tan((1 - weight) π / 2), brought to a sum of 1.
    """
    kept = [(1.0, phrases)]
    for index, phrase in enumerate(phrases):
        if phrase.weight < 1:
            share = math.tan((1 - max(phrase.weight, _NO_WEIGHT)) * math.pi / 2)
            kept.append((share, (*phrases[:index], *phrases[index + 1 :])))
    total = sum(share for share, _ in kept)
    return tuple(Term(share / total, *_rows(part, encoder, length=length)) for share, part in kept)


def _rows(
    phrases: tuple[Phrase, ...], encoder: Encoder, *, length: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    tokens = [Token(*piece, phrase.weight) for phrase in phrases for piece in encoder.split(phrase.text)]
    return rows_of(_chunks(tokens, room_of(encoder, length)), encoder, length=length)


def _chunks(tokens: list[Token], room: int) -> list[list[Token]]:
    """Cut where a sentence ends, else where a phrase or a word does, as compel's ``SplitLongTextMode.SENTENCES``."""
    chunks = []
    while len(tokens) > room:
        ends = [[token.piece in kind for token in tokens[:room]] for kind in _ENDS]
        ends.append([token.piece.endswith(_END_OF_WORD) for token in tokens[:room]])
        cut = next((room - found[::-1].index(True) for found in ends if True in found), room)
        chunks.append(tokens[:cut])
        tokens = tokens[cut:]
    return [*chunks, tokens]
