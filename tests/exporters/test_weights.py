"""Files of weights: what can be read is read exactly, and what cannot is named as what it is."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgediff_exporters.component_export import export_component
from edgediff_exporters.families import plans_of
from edgediff_exporters.opening import open_model
from edgediff_exporters.passes.rounding import BlockRounding, ChannelRounding
from edgediff_exporters.progress import ignore
from edgediff_exporters.sources import open_source
from edgediff_exporters.weights import map_weights
from edgediff_runtimes.errors import SourceError

FLOAT8 = [torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def refused(path, words):
    with pytest.raises(SourceError, match=words) as caught:
        map_weights([path])
    assert "\n" not in caught.value.sentence
    return caught.value


def write(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.mark.parametrize("dtype", FLOAT8, ids=str)
def test_float8_without_scales_is_widened_exactly(path, dtype):
    every = torch.arange(256, dtype=torch.uint8).view(dtype).reshape(16, 16)
    save_file({"a": every}, path)
    (read,) = map_weights([path]).tensors.values()
    assert read.dtype == dtype
    torch.testing.assert_close(read.float(), every.float(), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(read.half().float(), every.float(), rtol=0, atol=0, equal_nan=True)


def test_a_component_in_float8_gives_the_graph_of_the_same_numbers_in_float32(sd1, tmp_path):
    made = {}
    for name in ("float8", "float32"):
        copy = shutil.copytree(sd1, tmp_path / name)
        path = copy / "text_encoder" / "model.safetensors"
        tensors = {key: tensor.to(torch.float8_e4m3fn) for key, tensor in load_file(path).items()}
        save_file(tensors if name == "float8" else {key: each.float() for key, each in tensors.items()}, path)
        source = open_source(copy)
        plan = next(p for p in plans_of("stable-diffusion", source) if p.role == "text_encoder")
        made[name] = export_component(source, plan, tmp_path, "fp32", ignore)
        shutil.rmtree(tmp_path / "text_encoder")
    assert made["float8"] == made["float32"]  # hashes and measured errors included


@pytest.mark.parametrize(
    ("weight", "scale"),
    [
        ("up.weight", "up.weight_scale_inv"),
        ("up.weight", "up.SCB"),
        ("up.weight", "up.weight.absmax"),
        ("up.weight._data", "up.weight._scale"),
    ],
)
def test_quantised_weights_are_refused_as_such(path, weight, scale):
    save_file({weight: torch.ones(4, 4).to(torch.float8_e4m3fn), scale: torch.ones(1)}, path)
    error = refused(path, f"`model.safetensors` holds `{weight}` in float8_e4m3fn with scales beside it")
    assert "half or single precision" in error.hint


@pytest.mark.parametrize("leaf", ["scale_weight", "weight_scale"])
def test_float8_with_one_scale_is_multiplied_out(path, leaf):
    weight, scale = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).to(torch.float8_e4m3fn), 0.0173
    marks = {"scaled_fp8": torch.empty(0).to(torch.float8_e4m3fn), "up.scale_input": torch.tensor([0.5])}
    save_file({"up.weight": weight, f"up.{leaf}": torch.tensor([scale]), "up.bias": torch.ones(6), **marks}, path)
    tensors = map_weights([path]).tensors
    assert tensors.keys() == {"up.weight", "up.bias"}
    found, expected = tensors["up.weight"], weight.float() * torch.tensor(scale)
    assert (found.shape, found.is_floating_point()) == ((6, 4), True)
    for convert in (
        lambda x: x.to(torch.float32),
        lambda x: x.reshape(4, 6).to(torch.float32),
        lambda x: x.permute(1, 0).half().contiguous(),
        lambda x: x.T[1:3].float(),
        lambda x: torch.cat(x.chunk(2)[::-1]).float(),
        lambda x: ChannelRounding(x, 0).scales,
        lambda x: ChannelRounding(x, 1).values(),
        lambda x: BlockRounding(x).values(),
    ):
        assert type(convert(found)) is torch.Tensor
        assert torch.equal(convert(found), convert(expected))
    save_file({"up.weight": weight, f"up.{leaf}": torch.ones(6, 1)}, path)  # one for each row: another scheme
    refused(path, "`model.safetensors` holds `up.weight` in float8_e4m3fn with scales beside it")


def test_norms_scales_in_float8_are_weights(path):
    """As Black Forest Labs call them, in files that are float8 throughout."""
    save_file({"norm.query_norm.scale": torch.ones(4).to(torch.float8_e4m3fn)}, path)
    assert len(map_weights([path]).tensors) == 1


def test_a_number_that_only_sounds_like_a_scale_is_none(path):
    save_file({"text.positions": torch.ones(4).to(torch.float8_e4m3fn), "text.logit_scale": torch.ones(())}, path)
    assert len(map_weights([path]).tensors) == 2


def test_whole_numbers_where_a_weight_should_be_are_refused(sd1, tmp_path):
    copy = shutil.copytree(sd1, tmp_path / "model")
    path = copy / "text_encoder" / "model.safetensors"
    save_file({key: tensor.to(torch.int8) for key, tensor in load_file(path).items()}, path)
    with pytest.raises(SourceError, match=r"the tensor `.*` of `text_encoder` holds int8: expected floats"):
        open_model(copy, config=None)


@pytest.mark.parametrize("dtype", ["F4", "F6_E2M3", "F8_E8M0", "TERNARY"])
def test_an_unknown_dtype_is_not_called_damage(path, dtype):
    write(path, {"a": {"dtype": dtype, "shape": [2], "data_offsets": [0, 1]}}, b"\0")
    error = refused(
        path, f"`model.safetensors` holds `a` as `{dtype}`, which is not read here: expected one of F64, F32"
    )
    assert "whole" not in str(error)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04" + bytes(60), "is a pickle by another name, which can run any code"),
        (b"GGUF" + bytes(60), "is a GGUF file, whose weights are quantised"),
        (b"\n<!DOCTYPE html><html></html>" + bytes(60), "is a web page"),
    ],
)
def test_another_kind_of_file_is_named(path, content, words):
    path.write_bytes(content)
    assert refused(path, words).hint


def test_a_pointer_of_git_lfs_is_named(path):
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 492265168\n")
    error = refused(path, "`model.safetensors` is a pointer of git-lfs: the file itself was not downloaded")
    assert "git lfs pull" in error.hint


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        b"[]",
        b"null",
        b"\xff",
        {"a": None},
        {"a": []},
        {"a": "F32"},
        {"a": {**ENTRY, "dtype": 5}},
        {"a": {**ENTRY, "dtype": ["F32"]}},
        {"a": {**ENTRY, "shape": 2}},
        {"a": {**ENTRY, "shape": ["2"]}},
        {"a": {**ENTRY, "shape": [True, 2]}},
        {"a": {**ENTRY, "shape": [2.0]}},
        {"a": {**ENTRY, "shape": [-1, -2]}},
        {"a": {**ENTRY, "shape": [1] * 5000 + [2]}},
        {"a": {**ENTRY, "shape": [2**70]}},
        {"a": {**ENTRY, "shape": [0, 2**62], "data_offsets": [0, 0]}},
        {"a": {**ENTRY, "shape": [float("nan")]}},
        {"a": {**ENTRY, "data_offsets": [0]}},
        {"a": {**ENTRY, "data_offsets": [0, 4, 8]}},
        {"a": {**ENTRY, "data_offsets": [-8, 0]}},
        {"a": {**ENTRY, "data_offsets": [8, 0]}},
        {"a": {**ENTRY, "data_offsets": [10**400, 10**400 + 8]}},
        {"a": {**ENTRY, "data_offsets": {"0": 8}}},
    ],
    ids=lambda header: str(header)[:60],
)
def test_an_odd_header_is_one_sentence(path, header):
    write(path, header, bytes(8))
    refused(path, "`model.safetensors` is not a whole safetensors file")


def test_a_header_longer_than_the_format_allows(path):
    with path.open("wb") as file:
        file.write((10**9).to_bytes(8, "little"))
        file.truncate(2 * 10**9)  # holes: nothing is on the disk
    refused(path, "its header says 1,000,000,008")


@pytest.mark.skipif(os.name == "nt", reason="no pipes with names")
def test_a_pipe_is_not_waited_for(path):
    os.mkfifo(path)
    refused(path, "`model.safetensors` is no regular file")


def test_a_file_that_is_not_there(path):
    refused(path, "`model.safetensors` cannot be read: no such file")
