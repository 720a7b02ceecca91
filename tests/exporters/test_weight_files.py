"""Which of a component's files are taken."""

from __future__ import annotations

import json

import pytest

from edgediff_exporters.sources.weight_files import weight_files
from edgediff_runtimes.errors import SourceError

NAME = "diffusion_pytorch_model"


def files(tmp_path, *names):
    part = tmp_path / "unet"
    part.mkdir()
    for name in names:
        (part / name).write_bytes(b"")
    return part


def taken(tmp_path):
    return [path.name for path in weight_files(tmp_path, "unet")]


@pytest.mark.parametrize("variant", ["fp32", "fp16", "bf16", "non_ema", "ema", "my_own"])
@pytest.mark.parametrize("stem", [NAME, "model"])
def test_a_variant_alone_is_taken(tmp_path, stem, variant):
    files(tmp_path, f"{stem}.{variant}.safetensors", "config.json")
    assert taken(tmp_path) == [f"{stem}.{variant}.safetensors"]


@pytest.mark.parametrize(
    ("there", "best"),
    [
        (["", ".fp16", ".non_ema", ".bf16"], ""),
        ([".fp16", ".bf16", ".fp32"], ".fp32"),
        ([".bf16", ".fp16"], ".fp16"),
        ([".bf16", ".ema"], ".bf16"),
        ([".non_ema", ".ema"], ".ema"),
    ],
)
def test_of_several_the_most_exact_is_taken(tmp_path, there, best):
    files(tmp_path, *(f"{NAME}{variant}.safetensors" for variant in there))
    assert taken(tmp_path) == [f"{NAME}{best}.safetensors"]


def test_where_none_is_better_all_are_named(tmp_path):
    files(tmp_path, f"{NAME}.red.safetensors", f"{NAME}.blue.safetensors", f"{NAME}.non_ema.safetensors")
    with pytest.raises(SourceError, match="the weights of `unet` are there as `blue`, `red`: expected one of them"):
        taken(tmp_path)


@pytest.mark.parametrize("pattern", ["{}-{}", "{}.fp16-{}", "{}-{}.fp16", "{}.bf16-{}"])
def test_complete_shards_need_no_index(tmp_path, pattern):
    names = [pattern.format(NAME, f"0000{number}-of-00002") + ".safetensors" for number in (1, 2)]
    files(tmp_path, *names)
    assert taken(tmp_path) == names


def test_shards_that_are_not_complete_are_named(tmp_path):
    files(tmp_path, f"{NAME}-00001-of-00002.safetensors")
    with pytest.raises(SourceError, match=rf"`unet` has no weights.*; it holds `{NAME}-00001-of-00002.safetensors`"):
        taken(tmp_path)


@pytest.mark.parametrize("variant", ["", ".fp16"])
def test_an_index_names_its_shards(tmp_path, variant):
    part = files(tmp_path, "a.safetensors", "b.safetensors")
    index = {"weight_map": {"x": "b.safetensors", "y": "../../a.safetensors", "z": "b.safetensors"}}
    (part / f"{NAME}.safetensors.index{variant}.json").write_text(json.dumps(index))
    assert weight_files(tmp_path, "unet") == [part / "a.safetensors", part / "b.safetensors"]


def test_a_shard_that_is_missing_is_named(tmp_path):
    part = files(tmp_path, "a.safetensors")
    (part / f"{NAME}.safetensors.index.json").write_text('{"weight_map": {"x": "b.safetensors"}}')
    with pytest.raises(SourceError, match=r"`unet` are not complete: `b\.safetensors` is missing"):
        taken(tmp_path)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (f"{NAME}.safetensors.index.fp16.json", b'{"weight_map": {"x": "gone.safetensors"}}'),
        (f"{NAME}.safetensors.index.fp16.json", b"{"),
        (f"{NAME}.safetensors.index.json", b'{"weight_map": {"x": "gone.safetensors"}}'),
        (f"{NAME}.fp16.safetensors", POINTER),
    ],
    ids=["shards missing", "no JSON", "of the same variant", "a pointer"],
)
def test_of_a_variant_that_is_not_taken_nothing_is_read(tmp_path, name, content):
    part = files(tmp_path, f"{NAME}.safetensors")
    (part / name).write_bytes(content)
    assert taken(tmp_path) == [f"{NAME}.safetensors"]


@pytest.mark.parametrize(
    "shards", ["b.safetensors", f"{NAME}-00001-of-00002.safetensors"], ids=["of any name", "of the usual names"]
)
def test_an_index_whose_shards_are_all_missing_is_no_variant(tmp_path, shards):
    part = files(tmp_path, f"{NAME}.fp16.safetensors")
    (part / f"{NAME}.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": shards}}))
    assert taken(tmp_path) == [f"{NAME}.fp16.safetensors"]
    (part / shards).write_bytes(b"")  # now a download has begun
    assert taken(tmp_path) == [shards]


def test_a_pointer_is_named_where_it_is_what_would_be_taken(tmp_path):
    part = files(tmp_path, f"{NAME}.fp16.safetensors")
    (part / f"{NAME}.safetensors").write_bytes(POINTER)
    with pytest.raises(SourceError, match="is a pointer of git-lfs"):
        taken(tmp_path)


@pytest.mark.parametrize(
    "shards", [None, [], {}, 5, {"x": 5}, {"x": None}, {"x": ["a.safetensors"]}, {"x": {}}, {"x": ""}, {"x": ".."}]
)
def test_an_odd_index_is_one_sentence(tmp_path, shards):
    part = files(tmp_path, "a.safetensors")
    (part / f"{NAME}.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(SourceError, match=r"does not say which file|is missing|leads out") as caught:
        taken(tmp_path)
    assert "\n" not in caught.value.sentence


def test_what_is_there_instead_is_named(tmp_path):
    files(tmp_path, "config.json", "pytorch_lora_weights.safetensors", "flax_model.msgpack")
    with pytest.raises(SourceError, match=r"it holds `flax_model\.msgpack`, `pytorch_lora_weights.safetensors`"):
        taken(tmp_path)


def test_an_openvino_graph_is_no_pickle(tmp_path):
    files(tmp_path, "openvino_model.bin", "openvino_model.xml")
    with pytest.raises(SourceError, match=r"it holds `openvino_model\.bin`, `openvino_model.xml`"):
        taken(tmp_path)
