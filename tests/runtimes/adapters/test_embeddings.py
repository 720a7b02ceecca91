"""Words of textual inversion: rows of the table, tokens of the tokenizer, and files that are none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import edgediff
from edgediff.api import open_bundle
from edgediff_runtimes.adapters import adapt
from edgediff_runtimes.engines import EngineOptions, get_engine
from edgediff_runtimes.errors import AdapterError, SettingError
from edgediff_runtimes.weights.reading import stored_weights

WIDTH = 128
TABLE = "embeddings.token_embedding.weight"


def vectors(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def bundle():
    return open_bundle("emoji-lcm")


def size_of(bundle):
    return stored_weights(bundle.graph("text_encoder"))[TABLE].shape[0]


def encoded(adapted, prompt):
    return adapted.tokenizers["tokenizer"].encode([prompt]).ids[0].tolist()


def test_a_word_of_several_vectors_is_as_many_tokens(bundle, written):
    adapted = adapt(bundle, None, [written("x.safetensors", {"<owl>": vectors(3)})])
    size = size_of(bundle)
    ids = encoded(adapted, "a <OWL>, red")
    new = [size, size + 1, size + 2]
    place = ids.index(size)
    assert ids[place : place + 3] == new
    assert not {*new} & {*ids[:place], *ids[place + 3 :]}
    assert encoded(adapted, "a <owl>_1")[ids.index(size)] == size + 1  # one of them, when it is named
    (word,) = adapted.embeddings
    assert (word.word, word.vectors) == ("<owl>", {"text_encoder": 3})


def test_a_plain_word_is_not_found_inside_others(bundle, written):
    size = size_of(bundle)
    adapted = adapt(bundle, None, [written("qzart.safetensors", {"emb_params": vectors(1)})])
    assert size in encoded(adapted, "a QZart!")
    assert size not in encoded(adapted, "a pqzarty")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("shifted", [False, True], ids=["alone", "beside a LoRA of the table"])
def test_the_text_encoder_has_the_new_rows(bundle, written, engine, shifted):
    """The row of a token that is there, as a new word: the encoder gives the same for both."""
    pytest.importorskip(engine)
    old, loras = 700, None
    row = stored_weights(bundle.graph("text_encoder"))[TABLE].read()[old]
    if shifted:
        down, up = vectors(1, 1), np.ones((size_of(bundle), 1), np.float32)
        pieces = {
            f"text_encoder.{TABLE.replace('.weight', '')}.lora_{piece}.weight": array
            for piece, array in (("A", down), ("B", up))
        }
        loras, row = [written("lora.safetensors", pieces)], row + down[0]
    adapted = adapt(bundle, loras, [written("x.safetensors", {"<owl>": row})])
    new = encoded(adapted, "<owl>")[1]
    graph = dataclasses.replace(bundle.graph("text_encoder"), change=adapted.changes["text_encoder"])
    ids = np.array([[5, old, 6], [5, new, 6]], np.int32)
    with get_engine(engine).load(graph, device="cpu", options=EngineOptions(keep_compiled=False)) as session:
        states = session.run({name: ids.astype(spec.dtype) for name, spec in session.inputs.items()})
    one, other = states["last_hidden_state"]
    assert np.abs(one - other).max() <= 2e-2 * np.abs(one).max()  # the row is rounded once more


def test_several_words_and_none(written):
    with edgediff.load("emoji-lcm") as pipeline:
        base = np.asarray(pipeline("<owl> <fox>", seed=1, steps=1).images[0])
        files = [
            written(f"{name}.safetensors", {f"<{name}>": vectors(1, seed)}) for seed, name in enumerate(("owl", "fox"))
        ]
        assert [one.word for one in pipeline.set_embeddings(files)] == ["<owl>", "<fox>"]
        result = pipeline("<owl> <fox>", seed=1, steps=1)
        assert (np.asarray(result.images[0]) != base).any()
        assert [one.word for one in result.embeddings] == ["<owl>", "<fox>"]
        pipeline.set_embeddings([])
        assert (np.asarray(pipeline("<owl> <fox>", seed=1, steps=1).images[0]) == base).all()


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"<owl>": np.zeros((1, 768), np.float32)}, "has vectors of 768 numbers: expected 128, as the model"),
        ({"<owl>": np.full((1, WIDTH), np.inf, np.float32)}, "has values that are not finite"),
        ({"a": vectors(1), "b": vectors(1)}, "holds `a`, `b`: expected one tensor, called as its word"),
        ({"<owl>": np.zeros((2, 2, 2), np.float32)}, r"has the shape \[2, 2, 2\]: expected up to 75 vectors"),
        ({"<owl>": vectors(76)}, r"has the shape \[76, 128\]"),
        ({" ": vectors(1)}, "the word of `x.safetensors` is ` `"),
        ({"<|endoftext|>": vectors(1)}, "is a token of `tokenizer` already"),
        ({}, "holds nothing"),
    ],
)
def test_one_sentence(bundle, written, tensors, words):
    with pytest.raises(AdapterError, match=words):
        adapt(bundle, None, [written("x.safetensors", tensors)])


def test_one_word_twice(bundle, written):
    files = [written(f"{name}.safetensors", {"<owl>": vectors(1)}) for name in "ab"]
    with pytest.raises(SettingError, match="expected one file for the word `<owl>`"):
        adapt(bundle, None, files)
