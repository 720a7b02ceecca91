"""The tokenizer of a bundle: the files of the source, and ``tokenizer.json`` of CLIP or T5 where it has none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tokenizers import processors
from transformers import CLIPTokenizer

from edgediff_exporters.sources.base import Source
from edgediff_exporters.sources.files import read_json, reading_as_bundle, refusing_oddities
from edgediff_runtimes.bundle import FileEntry, Tokenizer, sha256_of
from edgediff_runtimes.bundle.tokenizer_kinds import kind_of
from edgediff_runtimes.errors import SourceError, quoted, shown
from edgediff_runtimes.text import open_tokenizer
from edgediff_runtimes.text.files import WHOLE, read_file
from edgediff_runtimes.text.unigram import read_unigram
from edgediff_runtimes.untrusted.bounds import TOKENS

_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "tokenizer.model",
    "vocab.txt",
)


def write_tokenizer(source: Source, origin: str, folder: Path, *, reader: str) -> Tokenizer:
    """Copy a tokenizer and write its ``tokenizer.json``.

    Args:
        source: Where it comes from.
        origin: Its directory there, and in the bundle.
        folder: The bundle.
        reader: The directory there of what reads its ids.

    Raises:
        SourceError: There is no tokenizer, or it cannot be read.
    """
    here = folder / origin
    if source.find(f"{origin}/tokenizer_config.json") is None:
        raise SourceError(f"the component `{origin}` is missing: expected `{origin}/tokenizer_config.json`")
    here.mkdir()
    for name in _FILES:
        if (there := source.find(f"{origin}/{name}")) is not None:
            shutil.copyfile(there, here / name)
    if source.write_vocabulary is not None and origin not in source.replaced:
        source.write_vocabulary(here)
    stated = read_json(folder, f"{origin}/tokenizer_config.json")
    with reading_as_bundle():
        kind = kind_of(stated, name=f"{origin}/tokenizer_config.json", whole=lambda: read_file(here, WHOLE))
    if kind in _WRITTEN and not (here / WHOLE).is_file():
        _WRITTEN[kind](here, origin)
    limit = _most_tokens(source, origin, kind, reader=reader)
    length = stated.get("model_max_length")  # 1e30 where none was set
    if not (isinstance(length, int | float) and 1 <= length <= limit):
        length = limit
    with reading_as_bundle():
        open_tokenizer(here, kind=kind, max_tokens=int(length))
    files = tuple(
        FileEntry(f"{origin}/{path.name}", path.stat().st_size, sha256_of(path)) for path in sorted(here.iterdir())
    )
    return Tokenizer(origin, int(length), files, kind)


def _most_tokens(source: Source, origin: str, kind: str, *, reader: str) -> int:
    """No prompt can be longer than the text encoder has positions. T5's have none."""
    limit = source.config(reader).get("max_position_embeddings")
    if limit is None and kind != "clip":
        return TOKENS.most
    if type(limit) is not int or limit < 1:
        raise SourceError(
            f"`max_position_embeddings` of the encoder of `{origin}` is {quoted(limit)}: expected a whole "
            "number above 0"
        )
    return min(limit, TOKENS.most)


def _write_unigram(here: Path, _: str) -> None:
    """Write ``tokenizer.json`` from SentencePiece's file, for readers that know no such file."""
    with reading_as_bundle():
        chain = read_unigram(here)
    (end,) = chain.after
    mark = chain.tokenizer.id_to_token(end)
    chain.tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {mark}", special_tokens=[(mark, end)])
    chain.tokenizer.save(str(here / WHOLE), pretty=False)


def _write_clip(here: Path, origin: str) -> None:
    """Write ``tokenizer.json`` from vocabulary and merges."""
    with refusing_oddities(f"the tokenizer in `{origin}`"):
        try:
            tokenizer = CLIPTokenizer.from_pretrained(here, local_files_only=True)
        except OSError as error:  # transformers' word for files that are missing or damaged
            raise SourceError(
                f"the tokenizer in `{origin}` cannot be read: {shown(str(error).splitlines()[0])}"
            ) from error
        tokenizer.backend_tokenizer.save(str(here / WHOLE))


_WRITTEN: dict[str, Callable[[Path, str], None]] = {"clip": _write_clip, "unigram": _write_unigram}
