"""The syntax of AUTOMATIC1111's web UI: weights, BREAK, chunks of 75 tokens, and changes from step to step.

https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features, "Attention/emphasis", "Infinite prompt length"
and "Prompt editing". Where that program goes on with what it cannot read as words, this refuses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias, final

from edgediff_runtimes.text.encoding import Encoder
from edgediff_runtimes.text.syntax.chunks import Chunks, Token, room_of
from edgediff_runtimes.text.syntax.reading import HEAVIEST, NESTING, Phrase, Prompt, Source, Text, place

_MORE, _LESS = 1.1, 1 / 1.1  # what round and square brackets multiply by
_SIGNS = re.compile(r"\\.|[()\[\]:|\\]|[^()\[\]:|\\]+", re.DOTALL)
_BREAK = re.compile(r"\bBREAK\b")
_AND = re.compile(r"(?<!\\)\bAND\b")
_NETWORK = re.compile(r"(?<!\\)<(\w+):[^<>]*>")
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]{1,9}\.?[0-9]{0,18}|\.[0-9]{1,18}))\s*")
_WHEN = re.compile(r"\s*(?:([0-9]{1,9})|([0-9]{0,9}\.[0-9]{0,18}))\s*")
_CLOSING = {"(": ")", "[": "]"}
_COMMA = ",</w>"
_BACKTRACK = 20  # tokens: the web UI's default of "prompt word wrap length limit"
_EDITING = "`[from:to:when]` with a number of steps, or with a share of them that has a decimal point, from 0.0 to 1.0"


@final
@dataclass(frozen=True, slots=True)
class _Break:
    """The next words begin a new chunk."""


@final
@dataclass(frozen=True, slots=True)
class _Scaled:
    inside: tuple[_Node, ...]
    factor: float


@final
@dataclass(frozen=True, slots=True)
class _Edited:
    """``before`` up to a step, ``after`` from the next one on.

    Attributes:
        before: What it is first.
        after: What it becomes.
        when: The last step of ``before``, counted from 1; or, with ``is_share``, a share of all steps.
        is_share: See ``when``.
    """

    before: tuple[_Node, ...]
    after: tuple[_Node, ...]
    when: float
    is_share: bool

    def at(self, step: int, steps: int) -> tuple[_Node, ...]:
        last = min(steps, int(self.when * steps if self.is_share else self.when))
        return self.before if step <= last else self.after


@final
@dataclass(frozen=True, slots=True)
class _InTurns:
    """Another at every step."""

    each: tuple[tuple[_Node, ...], ...]


_Node: TypeAlias = "str | _Break | _Scaled | _Edited | _InTurns"


@final
@dataclass(slots=True)
class _Bracket:
    """An open bracket, or the whole text.

    Attributes:
        sign: ``(``, ``[``, or empty.
        place: Where it stands.
        parts: What is between its colons or bars.
        between: These signs.
    """

    sign: str = ""
    place: int = 0
    parts: list[list[_Node]] = field(default_factory=lambda: [[]])
    between: list[str] = field(default_factory=list)


@final
@dataclass(frozen=True, slots=True)
class _Tree(Prompt):
    nodes: tuple[_Node, ...]

    def at(self, step: int, steps: int) -> Text:
        items = _flat(self.nodes, step, steps)
        sections: list[list[Phrase]] = [[]]
        for item in items:
            if item is None:
                sections.append([])
            elif sections[-1] and sections[-1][-1].weight == item.weight:
                # As the web UI: pieces of one weight are one text before it is split into words.
                sections[-1][-1] = Phrase(sections[-1][-1].text + item.text, item.weight)
            else:
                sections[-1].append(item)
        return _Sections(tuple(tuple(section) for section in sections))

    @property
    def changes(self) -> bool:
        return _changes(self.nodes)

    @property
    def words(self) -> str:
        return " ".join(_words(self.nodes))


@final
@dataclass(frozen=True, slots=True)
class _Sections(Text):
    """What is between BREAKs."""

    sections: tuple[tuple[Phrase, ...], ...]

    def weighted(self, encoder: Encoder, *, length: int) -> Chunks:
        """As ``Text``: a text that does not fit is cut into chunks, behind a comma where one is near."""
        room = room_of(encoder, length)
        done: list[list[Token]] = []
        chunk: list[Token] = []
        for index, section in enumerate(self.sections):
            if index:
                done.append(chunk)
                chunk = []
            comma: int | None = None
            for token in (Token(*piece, phrase.weight) for phrase in section for piece in encoder.split(phrase.text)):
                if token.piece == _COMMA:
                    comma = len(chunk)
                elif len(chunk) == room and comma is not None and room - comma <= _BACKTRACK:
                    done.append(chunk[: comma + 1])
                    chunk, comma = chunk[comma + 1 :], None
                if len(chunk) == room:
                    done.append(chunk)
                    chunk, comma = [], None
                chunk.append(token)
        return Chunks.of([*done, chunk] if chunk or not done else done, encoder, length=length)


def read(text: str, setting: str) -> Prompt:
    """Read a prompt.

    ``(words)`` weigh 1.1, ``[words]`` 1/1.1, ``(words:1.3)`` 1.3; brackets in brackets multiply. ``BREAK`` begins a new
    chunk. ``[from:to:when]``, ``[to:when]`` and ``[from::when]`` change after step ``when``, or after that share of the
    steps where it has a decimal point; ``[one|other]`` take turns. A backslash makes the next character plain text.

    Args:
        text: The prompt.
        setting: The setting that it is, for the error.

    Raises:
        SettingError: It is not written like that.
    """
    source = Source(text, setting)
    _refuse_others(source)
    open_: list[_Bracket] = [_Bracket()]
    for found in _SIGNS.finditer(text):
        sign, top = found[0], open_[-1]
        if sign in _CLOSING:
            if len(open_) > NESTING.most:
                source.refuse(f"at most {NESTING.most} brackets inside each other, because {NESTING.reason}")
            open_.append(_Bracket(sign, found.start()))
        elif sign in _CLOSING.values():
            if _CLOSING.get(top.sign) != sign:
                _refuse_unbalanced(source, sign, found.start())
            closed = open_.pop()
            open_[-1].parts[-1].append(_closed(closed, source))
        elif (sign == ":" and top.sign) or (sign == "|" and top.sign == "["):
            top.between.append(sign)
            top.parts.append([])
        elif sign == "\\":
            source.refuse(f"a character behind the `\\` at {place(found.start())}", hint="`\\\\` is a backslash")
        else:
            top.parts[-1] += [sign[1:]] if sign[0] == "\\" else _with_breaks(sign)
    if len(open_) > 1:
        _refuse_unbalanced(source, open_[-1].sign, open_[-1].place)
    tree = _Tree(tuple(open_[0].parts[0]))
    _check_weights(tree.nodes, 1.0, source)
    return tree


def _refuse_others(source: Source) -> None:
    """Refuse what this syntax has and what is not drawn by a prompt here."""
    if found := _NETWORK.search(source.text):
        hint = "a LoRA is given beside the prompt, with `loras`" if found[1] in ("lora", "lyco") else None
        source.refuse(f"no `<{found[1]}:...>`, as there is at {place(found.start())}", hint=hint)
    if found := _AND.search(source.text):
        hint = "in small letters it is a word"
        source.refuse(f"no AND, which is not built, as there is at {place(found.start())}", hint=hint)


def _refuse_unbalanced(source: Source, sign: str, index: int) -> None:
    source.refuse(f"brackets in pairs: `{sign}` at {place(index)} has none", hint=f"`\\{sign}` is one of the text")


def _with_breaks(text: str) -> list[_Node]:
    nodes: list[_Node] = []
    parts = _BREAK.split(text)
    for index, part in enumerate(parts):
        nodes += [_Break()] if index else []
        kept = part.lstrip() if index else part
        kept = kept.rstrip() if index < len(parts) - 1 else kept
        nodes += [kept] if kept else []
    return nodes


def _closed(bracket: _Bracket, source: Source) -> _Node:
    """What a pair of brackets is."""
    parts = [tuple(part) for part in bracket.parts]
    where = f"the bracket at {place(bracket.place)}"
    if not bracket.between:
        return _Scaled(parts[0], _MORE if bracket.sign == "(" else _LESS)
    if bracket.sign == "(":
        number = _NUMBER.fullmatch(_plain(parts[-1]))
        if number is None:
            hint = "`\\:` is a colon of the text"
            source.refuse(f"a weight such as 1.2 behind the last colon of {where}", hint=hint)
        inside = [node for part in parts[:-1] for node in (":", *part)][1:]
        return _Scaled(tuple(inside), float(number[1]))
    if {*bracket.between} == {"|"}:
        return _InTurns(tuple(parts))
    when = _WHEN.fullmatch(_plain(parts[-1]))
    if "|" in bracket.between or when is None or len(parts) > 3:  # noqa: PLR2004 - from, to and when
        source.refuse(f"{_EDITING}, or `[one|other]`, in {where}", hint="`\\:` and `\\|` are signs of the text")
    share = when[2]
    if share is not None and not (share != "." and float(share) <= 1):
        source.refuse(f"{_EDITING}, in {where}")
    before, after = ((), parts[0]) if len(parts) == 2 else (parts[0], parts[1])  # noqa: PLR2004 - to and when
    return _Edited(before, after, float(when[1] if share is None else share), share is not None)


def _plain(nodes: tuple[_Node, ...]) -> str:
    """The text of a part that is a text alone; else one that is no number."""
    return nodes[0] if len(nodes) == 1 and isinstance(nodes[0], str) else ""


def _flat(nodes: tuple[_Node, ...], step: int, steps: int) -> list[Phrase | None]:
    """Phrases at a step, and None for a BREAK."""
    found: list[Phrase | None] = []
    for node in nodes:
        match node:
            case str():
                found.append(Phrase(node))
            case _Break():
                found.append(None)
            case _Scaled():
                inside = _flat(node.inside, step, steps)
                found += [item and Phrase(item.text, item.weight * node.factor) for item in inside]
            case _Edited():
                found += _flat(node.at(step, steps), step, steps)
            case _InTurns():
                found += _flat(node.each[(step - 1) % len(node.each)], step, steps)
    return found


def _words(nodes: tuple[_Node, ...]) -> list[str]:
    found: list[str] = []
    for part in (part for node in nodes for part in _inside(node)):
        found += _words(part)
    return [node for node in nodes if isinstance(node, str)] + found


def _changes(nodes: tuple[_Node, ...]) -> bool:
    return any(isinstance(node, _Edited | _InTurns) or any(_changes(part) for part in _inside(node)) for node in nodes)


def _inside(node: _Node) -> tuple[tuple[_Node, ...], ...]:
    match node:
        case _Scaled():
            return (node.inside,)
        case _Edited():
            return node.before, node.after
        case _InTurns():
            return node.each
    return ()


def _check_weights(nodes: tuple[_Node, ...], factor: float, source: Source) -> None:
    """Refuse a product of weights that float32 cannot make anything of."""
    if abs(factor) > HEAVIEST:
        source.refuse(f"weights from {-HEAVIEST:g} to {HEAVIEST:g}, those of all brackets multiplied")
    for node in nodes:
        inner = factor * node.factor if isinstance(node, _Scaled) else factor
        for part in _inside(node):
            _check_weights(part, inner, source)
