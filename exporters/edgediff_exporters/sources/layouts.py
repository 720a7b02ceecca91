"""Models that a lone checkpoint is recognised as, and where the configs and the vocabulary that it lacks are.

The configs are those that Stable Diffusion 1.x and 2.x were published with; CLIP's tokenizer is the same in all.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from edgediff_runtimes.errors import SourceError

LAYOUTS = Path(__file__).parents[1] / "families" / "layouts"
_MERGES = LAYOUTS / "clip" / "merges.txt.gz"
_START, _END = "<|startoftext|>", "<|endoftext|>"
_ATTENTION = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
# https://github.com/Stability-AI/ModelSpec: what programs that write checkpoints say of them in the file's metadata.
_STATED = ("modelspec.prediction_type", "modelspec.architecture")


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """A model whose configs are shipped.

    Attributes:
        name: Its directory.
        shapes: Tensors that tell it from others, with their shapes.
        stated: What a file's metadata says, one of these, where the tensors fit several; empty where they fit one.
        what: What it is, for people.
    """

    name: str
    shapes: Mapping[str, tuple[int, ...]]
    stated: tuple[str, ...]
    what: str


_INPUT = {"model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3)}  # others inpaint, or edit
_SD1 = {
    **_INPUT,
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
    _ATTENTION: (320, 768),
}
_SD2 = {**_INPUT, "cond_stage_model.model.token_embedding.weight": (49408, 1024), _ATTENTION: (320, 1024)}
KNOWN = (
    Layout("sd1", _SD1, (), "Stable Diffusion 1.x"),
    Layout("sd2", _SD2, ("epsilon", "stable-diffusion-v2-512"), "Stable Diffusion 2.x base (512x512, predicts noise)"),
    Layout("sd2-v", _SD2, ("v", "stable-diffusion-v2-768-v"), "Stable Diffusion 2.x (768x768, predicts v)"),
)


def recognise(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str], *, name: str) -> Path:
    """The directory with a checkpoint's configs.

    Args:
        tensors: The checkpoint's.
        metadata: What its header says beside them.
        name: What to call it in an error.

    Raises:
        SourceError: It is none of the known ones, or could be several.
    """
    fits = [
        layout
        for layout in KNOWN
        if all(key in tensors and tuple(tensors[key].shape) == shape for key, shape in layout.shapes.items())
    ]
    stated = next((metadata[key] for key in _STATED if key in metadata), None)
    told = [layout for layout in fits if not layout.stated or stated in layout.stated]
    if len(told) == 1:
        return LAYOUTS / told[0].name
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
