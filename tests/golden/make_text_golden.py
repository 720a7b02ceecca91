"""Make ``text/``: small tokenizers of each kind, and the ids that transformers gives for odd prompts.

    python tests/golden/make_text_golden.py

Needs diffusers, transformers and sentencepiece (0.42.1, 5.23.0 and 0.2.3 when these were made). The vocabularies are
our own, learned from this repository's licence and from ``text/odd.json``; the rules around them are those of the
released tokenizers.
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
from diffusers.pipelines.kolors import ChatGLMTokenizer
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers.normalizers import Normalizer
from tokenizers.pre_tokenizers import PreTokenizer
from transformers.convert_slow_tokenizer import generate_merges

sys.path.insert(0, str(Path(__file__).parent))

from odd_prompts import ODD, odd_prompts

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "text"
LENGTH = 40
PROMPTS = 400
CLASSES = {
    "t5": transformers.T5Tokenizer,
    "qwen": transformers.Qwen2Tokenizer,
    "llama3": transformers.PreTrainedTokenizerFast,
    "gemma": transformers.GemmaTokenizer,
    "llama": transformers.LlamaTokenizer,
    "bert": transformers.BertTokenizer,
    "chatglm": ChatGLMTokenizer,
    "chatglm-nfkc": ChatGLMTokenizer,
}
UNKNOWN, UNKNOWN_WORD = "<unk>", "[UNK]"
DIGITS = {"qwen": r"\p{N}", "llama3": r"\p{N}{1,3}"}
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_WORDS = (  # of Qwen 3; the last four are no marks
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|vision_start|>", "<|image_pad|>"),
    *("<tool_call>", "</tool_call>", "<think>", "</think>"),
)


def main() -> None:
    """Write the tokenizers, then the ids."""
    write_t5(HERE / "t5")
    write_qwen(HERE / "qwen")
    write_llama3(HERE / "llama3")
    write_gemma(HERE / "gemma")
    write_llama(HERE / "llama")
    write_bert(HERE / "bert")
    write_chatglm(HERE / "chatglm", normalization_rule_name="identity", remove_extra_whitespaces=False)
    write_chatglm(HERE / "chatglm-nfkc", normalization_rule_name="nmt_nfkc", remove_extra_whitespaces=True)
    prompts = odd_prompts(PROMPTS, seed=2)
    arrays = {"prompts": np.frombuffer(json.dumps(prompts).encode(), np.uint8)}
    for name, kind in CLASSES.items():
        given = kind.from_pretrained(HERE / name)(prompts, padding="max_length", max_length=LENGTH, truncation=True)
        ids, mask = (np.array(given[field]) for field in ("input_ids", "attention_mask"))
        counts = mask.sum(axis=1)
        # Some pad on the left: ours are given on the right.
        moved = [np.roll(row, count if of[0] == 0 else 0) for row, of, count in zip(ids, mask, counts, strict=True)]
        arrays |= {f"{name}.ids": np.stack(moved).astype(np.uint16), f"{name}.counts": counts.astype(np.uint8)}
    np.savez_compressed(HERE / "ids.npz", **arrays)
    drop_table(HERE / "chatglm-nfkc" / "tokenizer.model")


def lines() -> list[str]:
    """What the vocabularies are learned from."""
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8").split("\n")
    return [line for line in licence if line.strip()] + 3 * ODD["sentences"]


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


def learned_bytes(name: str, normalizer: Normalizer | None) -> Tokenizer:
    """Byte-level byte-pair encoding."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    words = pre_tokenizers.Split(Regex(WORDS.replace("DIGITS", DIGITS[name])), behavior="isolated", invert=False)
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, letters])
    trainer = trainers.BpeTrainer(
        vocab_size=800, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(lines(), trainer)
    return tokenizer


def write_qwen(folder: Path) -> None:
    """As the Qwen 2, 2.5 and 3 of Qwen-Image and Z-Image: in several files, as the first has it."""
    folder.mkdir(exist_ok=True)
    tokenizer = learned_bytes("qwen", normalizers.NFC())
    tokenizer.model.save(str(folder))
    first = tokenizer.get_vocab_size()
    added = {
        str(first + index): {
            "content": word,
            "special": word.startswith("<|"),
            **dict.fromkeys(("lstrip", "rstrip", "normalized", "single_word"), False),
        }
        for index, word in enumerate(QWEN_WORDS)
    }
    marks = {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None}
    write_config(folder, "Qwen2Tokenizer", added_tokens_decoder=added, add_bos_token=False, **marks)


def write_llama3(folder: Path) -> None:
    """As Llama 3: whole words first, a mark before the text."""
    folder.mkdir(exist_ok=True)
    tokenizer = learned_bytes("llama3", None)
    start, *others = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"
    tokenizer.add_special_tokens([start, *others])
    template = processors.TemplateProcessing(
        single=f"{start} $A", special_tokens=[(start, tokenizer.token_to_id(start))]
    )
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    values = json.loads(tokenizer.to_str())
    values["model"]["ignore_merges"] = True
    (folder / "tokenizer.json").write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    marks = {"bos_token": start, "eos_token": others[1], "pad_token": others[0]}
    write_config(folder, "PreTrainedTokenizerFast", **marks)


def learned_pairs(*, prefix: bool, **ids: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of SentencePiece's byte-pair encoding, as transformers converts them."""
    model = sentencepiece.SentencePieceProcessor(
        model_proto=learned_pieces(
            model_type="bpe",
            vocab_size=1000,
            character_coverage=0.98,
            byte_fallback=True,
            normalization_rule_name="identity",
            add_dummy_prefix=prefix,
            remove_extra_whitespaces=False,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            control_symbols=["<mask>"],
            user_defined_symbols=["<start_of_turn>", "<end_of_turn>"],
            **ids,
        )
    )
    scores = [(model.id_to_piece(index), model.get_score(index)) for index in range(model.get_piece_size())]
    vocabulary = {piece: index for index, (piece, _) in enumerate(scores)}
    return vocabulary, generate_merges(vocabulary, scores)


def save_pairs(
    folder: Path, prefix: Normalizer, pre_tokenizer: PreTokenizer | None, marks: list[str], ids: dict
) -> None:
    """``tokenizer.json`` of such an encoding, as transformers 4 wrote it."""
    folder.mkdir(exist_ok=True)
    vocabulary, merges = learned_pairs(prefix=pre_tokenizer is None, **ids)
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = prefix
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.add_special_tokens(marks)
    tokenizer.add_tokens([AddedToken("<end_of_turn>", special=False, normalized=False)])
    (mark,) = {"<bos>", "</s>"} & set(marks)
    single = f"$A {mark}" if mark == "</s>" else f"{mark} $A"
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=[(mark, vocabulary[mark])])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def write_gemma(folder: Path) -> None:
    """As the Gemma 2 of SANA and Lumina 2."""
    save_pairs(
        folder,
        normalizers.Replace(" ", "▁"),
        pre_tokenizers.Split(" ", behavior="merged_with_previous"),
        ["<bos>", "<eos>", "<unk>", "<pad>", "<mask>", "<start_of_turn>"],
        {
            "pad_id": 0,
            "eos_id": 1,
            "bos_id": 2,
            "unk_id": 3,
            **{f"{name}_piece": f"<{name}>" for name in ("bos", "eos")},
        },
    )
    marks = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_config(folder, "GemmaTokenizer", add_bos_token=True, add_eos_token=False, **marks)


def write_llama(folder: Path) -> None:
    """As Llama 2, and the tokenizer of AuraFlow, which has a mark behind a text and none before."""
    prepend = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    save_pairs(folder, prepend, None, ["<s>", "</s>", "<unk>"], {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1})
    marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    write_config(folder, "LlamaTokenizer", legacy=False, **marks)


def write_bert(folder: Path) -> None:
    """As the BERT of HunyuanDiT: a vocabulary of lines, Chinese characters alone, lower case."""
    folder.mkdir(exist_ok=True)
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN_WORD))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = ["[PAD]", UNKNOWN_WORD, "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=800, special_tokens=marks, show_progress=False)
    tokenizer.train_from_iterator(lines(), trainer)
    tokenizer.model.save(str(folder))
    write_config(folder, "BertTokenizer", do_lower_case=True, tokenize_chinese_chars=True, strip_accents=None)


def write_chatglm(folder: Path, **options: object) -> None:
    """As the ChatGLM of Kolors; with a piece of the user's own."""
    folder.mkdir(exist_ok=True)
    pieces = learned_pieces(
        model_type="bpe",
        vocab_size=1000,
        character_coverage=0.98,
        byte_fallback=True,
        split_digits=True,
        user_defined_symbols=["<think>"],
        **{"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1, **options},
    )
    (folder / "tokenizer.model").write_bytes(pieces)
    write_config(folder, "ChatGLMTokenizer", remove_space=False, do_lower_case=False)


def drop_table(path: Path) -> None:
    """Take the table of characters out of a file; T5's has the same one."""
    model = ModelProto()
    model.ParseFromString(path.read_bytes())
    model.normalizer_spec.ClearField("precompiled_charsmap")
    path.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
