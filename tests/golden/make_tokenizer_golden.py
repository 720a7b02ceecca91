"""Make ``tokenizer/``: small CLIP vocabularies and the ids that transformers' CLIPTokenizer gives.

    python tests/golden/make_tokenizer_golden.py

Needs transformers (5.23.0 when these were made; ``ids.json`` says). The vocabulary is our own: all bytes, all
bytes that end a word, and byte pairs merged by frequency in the sentences below.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import transformers
from tokenizers.pre_tokenizers import ByteLevel

HERE = Path(__file__).parent / "tokenizer"
START, END = "<|startoftext|>", "<|endoftext|>"
PAD_TOKENS = {"pad-end": END, "pad-exclamation": "!"}  # as Stable Diffusion 1 and 2
MAX_TOKENS = 12
CORPUS = (
    "a red apple on the table, the green apple under the tree! the cat's hat isn't the dog's hat; they're in "
    "the garden with the red and the green flowers, a photo of the cat, a painting of the tree, a photo of an apple"
)
MERGES = 120
TEXTS = (
    "",
    " ",
    "a red apple",
    "A RED Apple",
    "  a   red\n\tapple  ",
    "the cat's hat isn't they're I'm we'll I'd I've",
    "a photo of the cat!",
    "apple!!! apple! !",
    "2024 photos of 3 cats",
    "café naïve \u00e9 e\u0301",  # precomposed and combining
    "猫と木",
    "🍎 red 🍏 green 👩\u200d🎨",
    "Ĳ ẞ İ Σς",  # letters whose lower case is not simple
    "a <|endoftext|> b",
    "<|startoftext|>a cat<|endoftext|>",
    "A<|ENDOFTEXT|>B",
    "no\u00a0break\u3000space\u200bzero",
    "... --- @#$%^&*()_+ {}[]|\\:;\"'<>,.?/~`",
    "x\u0000y\u0007z",
    "the cat and the dog in the garden under the green tree with red flowers on the table",
    "the cat in the garden under the green tree",  # close to the limit
    "supercalifragilisticexpialidocious",
    "½ ² ⅷ ٣ 三",
    "ﬁre ①",
)


def main() -> None:
    """Write the tokenizers in both forms, and the ids."""
    shutil.rmtree(HERE, ignore_errors=True)
    cases = []
    for name, pad in PAD_TOKENS.items():
        write_files(HERE / name, pad)
        tokenizer = transformers.CLIPTokenizer.from_pretrained(HERE / name)
        tokenizer.save_pretrained(HERE / f"{name}-json")
        for text in TEXTS:
            ids = tokenizer(text, padding="max_length", max_length=MAX_TOKENS, truncation=True)["input_ids"]
            cases.append({"tokenizer": name, "text": text, "ids": ids})
    golden = {
        "made_by": "tests/golden/make_tokenizer_golden.py",
        "transformers": transformers.__version__,
        "max_tokens": MAX_TOKENS,
        "cases": cases,
    }
    (HERE / "ids.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


def write_files(directory: Path, pad: str) -> None:
    """``vocab.json``, ``merges.txt`` and the special tokens, as older diffusers pipelines have them."""
    directory.mkdir(parents=True)
    merges = learned_merges()
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges), START, END]
    vocabulary = {word: index for index, word in enumerate(words)}
    (directory / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (directory / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    (directory / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n", encoding="utf-8")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": MAX_TOKENS, **special}
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def learned_merges() -> list[tuple[str, str]]:
    """The most frequent neighbours, merged one pair after another (Sennrich et al. 2016)."""
    words = [[*word[:-1], word[-1] + "</w>"] for word in re.findall(r"'[a-z]+|[a-z]+|[^\sa-z]+", CORPUS)]
    merges: list[tuple[str, str]] = []
    while len(merges) < MERGES:
        pairs = Counter(pair for word in words for pair in itertools.pairwise(word))
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = [merged(word, best) for word in words]
    return merges


def merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    """A word with every occurrence of a pair made one."""
    result: list[str] = []
    for symbol in word:
        if result and (result[-1], symbol) == pair:
            result[-1] += symbol
        else:
            result.append(symbol)
    return result


if __name__ == "__main__":
    main()
