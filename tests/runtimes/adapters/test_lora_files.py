"""Files that are no LoRA, or one for another model: one sentence each, and nothing is changed."""

from __future__ import annotations

import json

import numpy as np
import pytest

import edgediff
from edgediff_runtimes.errors import AdapterError, SettingError

LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
WIDTH = 96


def pair(layer=LAYER, *, inputs=WIDTH, outputs=WIDTH, rank=2, fill=0.01):
    return {
        f"{layer}.lora_A.weight": np.full((rank, inputs), fill, np.float32),
        f"{layer}.lora_B.weight": np.full((outputs, rank), fill, np.float32),
    }


@pytest.fixture(scope="module")
def pipeline():
    with edgediff.load("emoji-lcm") as pipeline:
        yield pipeline


@pytest.mark.parametrize(
    ("tensors", "metadata", "words"),
    [
        (pair("unet.down_blocks.7.attentions.0.proj_in"), {}, "`x.safetensors` changes no layer of this model"),
        (
            pair(inputs=320),
            {},
            r"does not fit: the layer `unet.mid.* of \[96, 320\]: expected \[96, 96",
        ),
        ({**pair(), **pair("unet.mid_block.attentions.0.proj_in", rank=3, outputs=95)}, {}, "does not fit"),
        (pair(fill=np.nan), {}, "has values that are not finite, in `unet.mid_block"),
        ({"conv_in.weight": np.zeros((1, 1), np.float32)}, {}, "`conv_in.weight`, which is no piece of a LoRA"),
        ({**pair(), f"{LAYER}.lora_B.bias": np.zeros(WIDTH, np.float32)}, {}, "which is a bias"),
        ({f"{LAYER}.lora_A.weight": np.zeros((2, WIDTH), np.float32)}, {}, "has down: expected the two"),
        ({}, {}, "holds no tensors"),
        ({**pair(), f"{LAYER}.alpha": np.zeros(2, np.float32)}, {}, "has 2 numbers: expected one"),
        ({f"{LAYER}.lora_A.weight": np.zeros((2, WIDTH), np.uint8)}, {}, "as `U8`, which is not read here"),
        ({f"{LAYER}.lora_A.weight": np.zeros((2, WIDTH), np.int64)}, {}, "as I64: expected floating-point numbers"),
        (pair(rank=0), {}, "expected one rank of at least 1"),
    ],
)
def test_one_sentence(pipeline, written, tensors, metadata, words):
    path = written("x.safetensors", tensors, **metadata)
    with pytest.raises(AdapterError, match=words):
        pipeline.set_loras([path])
    assert pipeline.loras == ()


@pytest.mark.parametrize(
    ("tensors", "metadata", "family"),
    [
        (pair("unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k", inputs=2048), {}, "Stable Diffusion XL"),
        (pair("lora_unet_double_blocks_0_img_attn_qkv"), {}, "FLUX"),
        (pair(inputs=320), {"modelspec.architecture": "stable-diffusion-v2-768-v/lora"}, "stable-diffusion-v2-768-v"),
    ],
)
def test_a_lora_of_another_family_is_named(pipeline, written, tensors, metadata, family):
    with pytest.raises(AdapterError) as caught:
        pipeline.set_loras([written("x.safetensors", tensors, **metadata)])
    assert caught.value.hint == f"it looks like one for {family}"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.ckpt", b"PK\x03\x04", "`x.ckpt` is a pickle, which can run any code"),
        ("x.safetensors", b"PK\x03\x04" + bytes(60), "is a pickle by another name"),
        ("x.safetensors", b"<!doctype html>", "is a web page"),
        ("x.safetensors", b"", "is not a whole safetensors file"),
        ("x.safetensors", (10**6).to_bytes(8, "little") + b"{}", "is not a whole safetensors file"),
    ],
)
def test_other_files(pipeline, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AdapterError, match=words):
        pipeline.set_loras([tmp_path / name])


def test_a_file_that_is_not_there(pipeline, tmp_path):
    with pytest.raises(AdapterError, match=r"`gone.safetensors` cannot be read: no such file"):
        pipeline.set_loras([tmp_path / "gone.safetensors"])


def test_a_scale_that_overflows_is_told(pipeline, written):
    path = written("x.safetensors", pair(fill=1.0))
    pipeline.set_loras({path: 1e300})
    with pytest.raises(AdapterError, match=r"is not finite with `x.safetensors` at 1e\+300: expected smaller"):
        pipeline("a red apple", seed=0, steps=1)
    pipeline.set_loras(None)
    assert pipeline("a red apple", seed=0, steps=1).images


@pytest.mark.parametrize("given", ["x.safetensors", 3, {"x.safetensors": "much"}, [("x", np.inf)], [3], {"x": None}])
def test_what_is_no_list_of_files(pipeline, given):
    with pytest.raises(SettingError, match="`loras` is"):
        pipeline.set_loras(given)


def test_a_mutated_header_gives_our_errors_alone(pipeline, tmp_path, fuzz, mutated):
    shape = {"dtype": "F32", "shape": [2, WIDTH], "data_offsets": [0, 8 * WIDTH]}
    values = {f"{LAYER}.lora_A.weight": shape, f"{LAYER}.lora_B.weight": {**shape, "shape": [WIDTH, 2]}}

    def case(rng):
        header = mutated(values, rng) if rng.random() < 0.9 else json.dumps(values).encode()
        (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8 * WIDTH))
        pipeline.set_loras([tmp_path / "x.safetensors"])

    fuzz(11, 300, case)
