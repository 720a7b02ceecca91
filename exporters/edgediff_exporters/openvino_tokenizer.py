"""The tokenizer as an OpenVINO graph, beside its other files: what OpenVINO GenAI reads. Our runtime does not."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

from transformers import AutoTokenizer

from edgediff_runtimes.bundle import FileEntry, Tokenizer, sha256_of
from edgediff_runtimes.errors import ExportError, NotInstalledError
from edgediff_runtimes.text import Encoder, PromptTruncationWarning, open_tokenizer

_GENAI_KINDS = ("clip", "unigram")  # of the tokenizers that OpenVINO GenAI draws with
GRAPH_NAME = "openvino_tokenizer.xml"
_FILES = (GRAPH_NAME, "openvino_tokenizer.bin")
# What a converted tokenizer could get wrong: case, marks, contractions, digits, white space, other scripts, length.
_PROBES = (
    "a red apple",
    "",
    "A photo of a CAT, isn't it?  50% off!!",
    "crème brûlée, naïve ÅÉ, e\u0301 ﬁ Ⅷ ½",
    "日本語の絵 🙂🍎",
    "  leading and\ttabs\nnew line ",
    "x1y22 they've they'll i'd it's'S",
    "a_b-c/d#@!~",
    "many " * 100,
)


class TokenizerGraphWarning(UserWarning):
    """A tokenizer has no graph for OpenVINO GenAI; the message says why."""


def with_openvino_graph(tokenizer: Tokenizer, folder: Path) -> Tokenizer:
    """A tokenizer with its graph, where OpenVINO GenAI draws with such; T5's is left out, with a warning, if it fails.

    Args:
        tokenizer: As ``write_tokenizer`` gave it.
        folder: The bundle.

    Raises:
        NotInstalledError: What converts tokenizers is not installed.
        ExportError: CLIP's cannot be converted, or not well.
    """
    if tokenizer.kind not in _GENAI_KINDS:
        return tokenizer
    try:
        graph = write_openvino_tokenizer(folder / tokenizer.path, kind=tokenizer.kind, max_tokens=tokenizer.max_tokens)
    except ExportError as error:
        if tokenizer.kind == "clip":
            raise
        words = f"{error.sentence}; that graph is left out: edgediff does without it, OpenVINO GenAI does not"
        warnings.warn(words, TokenizerGraphWarning, stacklevel=2)
        return tokenizer
    return replace(tokenizer, files=(*tokenizer.files, *graph))


def write_openvino_tokenizer(folder: Path, *, kind: str, max_tokens: int) -> tuple[FileEntry, ...]:
    """Write the graph of a tokenizer and compare what it gives with what our own tokenizer does.

    Args:
        folder: The tokenizer's directory in the bundle, as ``write_tokenizer`` left it.
        kind: Its kind, as the manifest says.
        max_tokens: Tokens of a prompt, both marks included; the graph cuts off what is more.

    Raises:
        NotInstalledError: What converts tokenizers is not installed.
        ExportError: It cannot convert this one, or not well.
    """
    try:
        from edgediff_runtimes.engines.openvino.library import ov, without_telemetry  # noqa: PLC0415 - may be missing

        with without_telemetry():
            from openvino_tokenizers import convert_tokenizer  # noqa: PLC0415 - as above
    except ImportError as error:
        raise NotInstalledError("what writes tokenizers for OpenVINO", extra="export", reason=error) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model = convert_tokenizer(tokenizer, truncation=True, max_length=max_tokens)
        compiled = ov.compile_model(model, "CPU")
        given = [compiled([probe])["input_ids"][0].tolist() for probe in _PROBES]
    except Exception as error:  # the libraries' own share no base class
        last = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise ExportError(f"the tokenizer in `{folder.name}` cannot be written for OpenVINO: {last[0]}") from error
    _compare(given, open_tokenizer(folder, kind=kind, max_tokens=max_tokens), folder)
    ov.save_model(model, folder / GRAPH_NAME)
    paths = [folder / name for name in _FILES]
    return tuple(FileEntry(f"{folder.name}/{path.name}", path.stat().st_size, sha256_of(path)) for path in paths)


def _compare(given: list[list[int]], tokenizer: Encoder, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptTruncationWarning)
        expected = tokenizer.encode(_PROBES).ids.tolist()
    for probe, ours, theirs in zip(_PROBES, expected, given, strict=True):
        if ours[: len(theirs)] != theirs:  # OpenVINO GenAI pads itself
            raise ExportError(
                f"the tokenizer in `{folder.name}` cannot be written for OpenVINO: its graph reads {probe[:40]!r} as "
                f"{theirs}, expected {ours[: len(theirs)]}"
            )
