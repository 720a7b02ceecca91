"""The kinds of tokenizers, and how their files tell which it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgediff_runtimes.errors import ManifestError

# By the classes of transformers, without the "Fast" that versions before 5 put behind some.
_BY_CLASS = {
    "CLIPTokenizer": "clip",
    "T5Tokenizer": "unigram",
    "UMT5Tokenizer": "unigram",
    "Qwen2Tokenizer": "byte-level-bpe",
    "GemmaTokenizer": "sentencepiece-bpe",
    "LlamaTokenizer": "sentencepiece-bpe",
    "BertTokenizer": "wordpiece",
    "ChatGLMTokenizer": "chatglm",
}
# They stand for any kind: ``tokenizer.json`` tells which.
_ANY = ("PreTrainedTokenizer", "TokenizersBackend")
_BY_MODEL = {"Unigram": "unigram", "WordPiece": "wordpiece"}
TOKENIZER_KINDS = tuple(dict.fromkeys(_BY_CLASS.values()))


def kind_of(config: Mapping[str, object], *, name: str, whole: Callable[[], Mapping[str, Any]]) -> str:
    """The kind of a tokenizer.

    Args:
        config: Its ``tokenizer_config.json``; without a class it is CLIP's.
        name: What to call that file in an error.
        whole: Reads its ``tokenizer.json``, where that is asked.

    Raises:
        ManifestError: It is of a class that is not known.
    """
    class_name = config.get("tokenizer_class")
    if class_name is None:
        return "clip"
    known = class_name.removesuffix("Fast") if isinstance(class_name, str) else ""
    kind = _of_model(whole().get("model")) if known in _ANY else _BY_CLASS.get(known)
    if kind is None:
        raise ManifestError(f"{name}: tokenizer_class", got=class_name, expected=f"one of {', '.join(_BY_CLASS)}")
    return kind


def _of_model(model: object) -> str | None:
    match model:
        case {"type": "BPE", "end_of_word_suffix": "</w>"}:
            return "clip"
        case {"type": "BPE", "byte_fallback": True}:
            return "sentencepiece-bpe"
        case {"type": "BPE"}:
            return "byte-level-bpe"
        case {"type": str(name)}:
            return _BY_MODEL.get(name)
    return None
