"""Step 3: a byte-level BPE tokenizer in CLIP's file format, made from the captions.

    python -m benchmarks.models.emoji.tokenizer --work DIR

Any text can be encoded: what is no known word falls apart into letters.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from benchmarks.models.emoji import data
from benchmarks.models.emoji.budget import plain_options
from benchmarks.models.emoji.captions import Captions
from benchmarks.models.emoji.recolour import HUES

LENGTH = 24  # tokens of a caption, start and end included
START, END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"  # how CLIP splits


def merges(texts: list[str], *, size: int) -> list[tuple[str, str]]:
    """The pairs that byte-pair encoding joins, most useful first."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, end_of_word_suffix="</w>", show_progress=False, min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def write(folder: Path, pairs: list[tuple[str, str]]) -> None:
    """Write `vocab.json`, `merges.txt` and the configs as CLIP's tokenizers have them.

    CLIP's order of tokens: 256 bytes, 256 bytes at a word's end, the merges, start, end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet), *("".join(pair) for pair in pairs), START, END]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in pairs)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    config = {**special, "tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "errors": "replace"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2), encoding="utf-8")


def load(work: Path) -> CLIPTokenizer:
    """The tokenizer of this training run."""
    return CLIPTokenizer.from_pretrained(work / "tokenizer")


def main() -> None:
    """Write the tokenizer's folder."""
    parser = plain_options(__doc__)
    parser.add_argument("--size", type=int, default=3072, help="number of tokens (default: %(default)s)")
    arguments = parser.parse_args()
    texts = Captions(data.load(arguments.work)[0]).everything() + list(HUES) * 20
    bytes_and_ends = 512 + 2
    pairs = merges(texts, size=arguments.size)[: arguments.size - bytes_and_ends]
    write(arguments.work / "tokenizer", pairs)
    tokenizer = load(arguments.work)
    for text in ("a red apple", "smiling face with sunglasses", "Zürich, 42!"):
        print(text, "->", tokenizer.tokenize(text))
    print(f"{len(tokenizer)} tokens")


if __name__ == "__main__":
    main()
