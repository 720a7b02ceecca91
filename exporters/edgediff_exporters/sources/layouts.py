"""Models that a lone checkpoint is recognised as, and where the configs and the vocabulary that it lacks are.

The configs are those that the models were published with; CLIP's tokenizer is the same in all. T5's is not shipped.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from edgediff_exporters.sources.base import Source
from edgediff_exporters.sources.directory import open_directory
from edgediff_exporters.sources.originals import KNOWN, Layout
from edgediff_runtimes.errors import SourceError

LAYOUTS = Path(__file__).parents[1] / "families" / "layouts"
SHARED = LAYOUTS / "shared"
_MERGES = LAYOUTS / "clip" / "merges.txt.gz"
_START, _END = "<|startoftext|>", "<|endoftext|>"
# https://github.com/Stability-AI/ModelSpec: what programs that write checkpoints say of them in the file's metadata.
_STATED = ("modelspec.prediction_type", "modelspec.architecture")


def described_by(layout: Layout) -> Source:
    """A source with a known model's configs and tokenizers, and no weights."""
    described = open_directory(LAYOUTS / layout.name)
    shared = {origin: (SHARED, name) for origin, name in layout.shared.items()}
    return replace(described, shared=shared, write_vocabulary=write_clip_vocabulary)


def recognise(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str], *, name: str) -> Layout:
    """Which model a checkpoint is.

    Args:
        tensors: The checkpoint's.
        metadata: What its header says beside them.
        name: What to call it in an error.

    Raises:
        SourceError: It is none of the known ones, or could be several.
    """
    fits = [layout for layout in KNOWN if layout.fits(tensors)]
    stated = next((metadata[key] for key in _STATED if key in metadata), None)
    told = [layout for layout in fits if not layout.stated or stated in layout.stated]
    if len(told) == 1:
        return told[0]
    if fits:
        names = " or ".join(f"`{layout.name}`" for layout in fits)
        raise SourceError(
            f"`{name}` could be several models, and neither its tensors nor its metadata tell which: expected "
            f"`config` to be {names}",
            hint="; ".join(f'`config="{layout.name}"` is {layout.what}' for layout in fits),
        )
    raise SourceError(
        f"`{name}` holds weights only, and not those of a model whose configs are known: expected a directory with its "
        "configs and tokenizer as well",
        hint="add `config=DIR`: a directory in diffusers' layout of the same architecture, or its hub name; its "
        "weights are not read",
    )


def write_clip_vocabulary(folder: Path) -> None:
    """Write CLIP's ``vocab.json`` and ``merges.txt``: the bytes, the bytes that end a word, the merges, two marks."""
    text = gzip.decompress(_MERGES.read_bytes()).decode("utf-8")
    merged = ["".join(line.split()) for line in text.splitlines()[1:]]
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = [*map(chr, plain), *(chr(256 + index) for index in range(256 - len(plain)))]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *merged, _START, _END]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text(text, encoding="utf-8")
