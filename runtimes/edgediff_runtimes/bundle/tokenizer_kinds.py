"""The kinds of tokenizers, and how the config beside a tokenizer's files tells which it is."""

from __future__ import annotations

from collections.abc import Mapping

from edgediff_runtimes.errors import ManifestError

# By the classes of transformers, without the "Fast" that versions before 5 put behind some.
_BY_CLASS = {
    "CLIPTokenizer": "clip",
    "T5Tokenizer": "unigram",
    "UMT5Tokenizer": "unigram",
    "Qwen2Tokenizer": "byte-level-bpe",
}
TOKENIZER_KINDS = tuple(dict.fromkeys(_BY_CLASS.values()))


def kind_of(config: Mapping[str, object], *, name: str) -> str:
    """The kind of a tokenizer.

    Args:
        config: Its ``tokenizer_config.json``; without a class it is CLIP's.
        name: What to call the file in an error.

    Raises:
        ManifestError: It is of a class that is not known.
    """
    class_name = config.get("tokenizer_class")
    if class_name is None:
        return "clip"
    kind = _BY_CLASS.get(class_name.removesuffix("Fast")) if isinstance(class_name, str) else None
    if kind is None:
        raise ManifestError(f"{name}: tokenizer_class", got=class_name, expected=f"one of {', '.join(_BY_CLASS)}")
    return kind
