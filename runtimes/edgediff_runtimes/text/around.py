"""The marks around a text: what ``tokenizer.json`` and the config beside it say of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgediff_runtimes.errors import quoted

Around = tuple[tuple[int, ...], tuple[int, ...]]
_FLAGS = ("add_bos_token", "add_eos_token")
_LONGEST = 16  # marks


def marks_around(
    post_processor: object, config: Mapping[str, Any], marks: Mapping[str, str], ids: Mapping[str, int]
) -> Around:
    """Ids before a text and behind it.

    As transformers does it: where the config says whether there are a start and an end mark, it has the word, else the
    ``post_processor``.

    Args:
        post_processor: Of ``tokenizer.json``; None: there is none.
        config: ``tokenizer_config.json``.
        marks: By role; ``bos_token`` and ``eos_token`` may be missing.
        ids: Of all tokens.

    Raises:
        ValueError: It is none that is known.
    """
    if any(flag in config for flag in _FLAGS):
        before, after = (
            (ids[marks[role]],) if config.get(flag) is True and marks.get(role) in ids else ()
            for flag, role in zip(_FLAGS, ("bos_token", "eos_token"), strict=True)
        )
        return before, after
    return _of_post_processor(post_processor, ids)


def _of_post_processor(values: object, ids: Mapping[str, int]) -> Around:
    match values:
        case None | {"type": "ByteLevel"}:  # which moves offsets, and adds nothing
            return (), ()
        case {"type": "Sequence", "processors": [{"type": "ByteLevel"}, last]}:
            return _of_post_processor(last, ids)
        case {"type": "Sequence", "processors": [{"type": "TemplateProcessing"} as only]}:
            return _of_post_processor(only, ids)
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
