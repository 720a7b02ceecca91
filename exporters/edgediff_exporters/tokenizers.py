"""The tokenizer of a bundle: the files of the source, and ``tokenizer.json``, which is all that the runtime reads."""

from __future__ import annotations

import shutil
from pathlib import Path

from transformers import CLIPTokenizer

from edgediff_exporters.sources.base import Source, read_json
from edgediff_runtimes.bundle import FileEntry, Tokenizer, sha256_of
from edgediff_runtimes.errors import SourceError

_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)


def write_tokenizer(source: Source, origin: str, folder: Path) -> Tokenizer:
    """Copy a tokenizer and write its ``tokenizer.json``.

    Args:
        source: Where it comes from.
        origin: Its directory there, and in the bundle; ``tokenizer`` feeds ``text_encoder``, and so on.
        folder: The bundle.

    Raises:
        SourceError: There is no tokenizer, or it cannot be read.
    """
    there, here = source.folder / origin, folder / origin
    if not (there / "tokenizer_config.json").is_file():
        raise SourceError(f"the component `{origin}` is missing: expected `{origin}/tokenizer_config.json`")
    here.mkdir()
    for name in _FILES:
        if (there / name).is_file():
            shutil.copyfile(there / name, here / name)
    if not (here / "tokenizer.json").is_file():
        try:
            tokenizer = CLIPTokenizer.from_pretrained(here, local_files_only=True)
        except (OSError, ValueError) as error:
            raise SourceError(f"the tokenizer in `{origin}` cannot be read: {str(error).splitlines()[0]}") from error
        tokenizer.backend_tokenizer.save(str(here / "tokenizer.json"))
    # No prompt can be longer than the text encoder has positions.
    limit = source.config(origin.replace("tokenizer", "text_encoder"))["max_position_embeddings"]
    stated = read_json(here / "tokenizer_config.json").get("model_max_length")
    files = tuple(
        FileEntry(f"{origin}/{path.name}", path.stat().st_size, sha256_of(path)) for path in sorted(here.iterdir())
    )
    return Tokenizer(origin, min(int(stated), limit) if isinstance(stated, int | float) else limit, files)
