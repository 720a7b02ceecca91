"""The marks around a text: what ``tokenizer.json`` says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgediff_runtimes.errors import quoted

Around = tuple[tuple[int, ...], tuple[int, ...]]
_LONGEST = 16  # marks


def marks_around(values: object, ids: Mapping[str, int]) -> Around:
    """Ids before a text and behind it.

    Args:
        values: The ``post_processor`` of ``tokenizer.json``, which has the word whatever a config beside it says; None:
            there are no marks.
        ids: Of all tokens.

    Raises:
        ValueError: It is none that is known.
    """
    match values:
        case None | {"type": "ByteLevel"}:  # which moves offsets, and adds nothing
            return (), ()
        case {"type": "Sequence", "processors": [{"type": "ByteLevel"}, last]}:
            return marks_around(last, ids)
        case {"type": "Sequence", "processors": [{"type": "TemplateProcessing"} as only]}:
            return marks_around(only, ids)
        case {"type": "TemplateProcessing", "single": [*single], "special_tokens": {**known}} if len(single) < _LONGEST:
            return _of_template(single, known, ids)
    raise ValueError(f"its `post_processor` is {quoted(values)}: expected marks around a text")


def _of_template(single: list[object], known: Mapping[Any, object], ids: Mapping[str, int]) -> Around:
    around: tuple[list[int], list[int]] = ([], [])
    place = 0
    for item in single:
        match item:
            case {"Sequence": {"id": "A"}} if place == 0:
                place = 1
            case {"SpecialToken": {"id": str(name)}} if name in known and name in ids:
                around[place].append(ids[name])
            case _:
                raise ValueError(f"its `post_processor` has {quoted(item)}: expected a mark of its vocabulary")
    if place == 0:
        raise ValueError("its `post_processor` has no text: expected one")
    return tuple(around[0]), tuple(around[1])
