"""Make ``text/``: small tokenizers of each kind, and the ids that transformers gives for odd prompts.

    python tests/golden/make_text_golden.py

Needs transformers and sentencepiece (5.23.0 and 0.2.3 when these were made). The vocabularies are our own, learned
from this repository's documentation and from ``text/odd.json``; the rules around them are those of the released
tokenizers.
``ids.npz`` holds ``prompts``, a JSON array in UTF-8, and for each tokenizer ``NAME.ids`` (prompts, LENGTH) and
``NAME.counts``, the tokens of each prompt that are no padding.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import sentencepiece
import transformers

sys.path.insert(0, str(Path(__file__).parent))

from odd_prompts import ODD, odd_prompts

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "text"
LENGTH = 40
PROMPTS = 400
CLASSES = {"t5": transformers.T5Tokenizer}


def main() -> None:
    """Write the tokenizers, then the ids."""
    write_t5(HERE / "t5")
    prompts = odd_prompts(PROMPTS, seed=2)
    arrays = {"prompts": np.frombuffer(json.dumps(prompts).encode(), np.uint8)}
    for name, kind in CLASSES.items():
        given = kind.from_pretrained(HERE / name)(
            prompts, padding="max_length", padding_side="right", max_length=LENGTH, truncation=True, return_tensors="np"
        )
        arrays |= {f"{name}.ids": given["input_ids"].astype(np.uint16)}
        arrays |= {f"{name}.counts": given["attention_mask"].sum(axis=1).astype(np.uint8)}
    np.savez_compressed(HERE / "ids.npz", **arrays)


def lines() -> list[str]:
    """What the vocabularies are learned from."""
    pages = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))
    return [line for line in pages.split("\n") if line.strip()] + 3 * ODD["sentences"]


def learned_pieces(**options: object) -> bytes:
    """A SentencePiece model."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines()),
        model_writer=model,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
        **options,
    )
    return model.getvalue()


def write_config(folder: Path, class_name: str, **values: object) -> None:
    """``tokenizer_config.json``."""
    text = json.dumps({"tokenizer_class": class_name, "model_max_length": LENGTH, **values}, indent=1)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")


def write_t5(folder: Path) -> None:
    """As the T5 of PixArt and of Stable Diffusion 3: pieces, SentencePiece's own table of characters, sentinels."""
    folder.mkdir(exist_ok=True)
    ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    pieces = learned_pieces(model_type="unigram", vocab_size=1000, character_coverage=0.98, **ids)
    (folder / "spiece.model").write_bytes(pieces)
    marks = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_config(folder, "T5Tokenizer", extra_ids=100, **marks)


if __name__ == "__main__":
    main()
