from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
import torch
import transformers
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from edgediff_exporters import export, openvino_tokenizer
from edgediff_exporters.families import plans_of
from edgediff_exporters.opening import open_model
from edgediff_exporters.sources import open_source
from edgediff_exporters.sources.files import refusing_oddities
from edgediff_exporters.tokenizers import write_tokenizer
from edgediff_exporters.tracing import empty_module
from edgediff_runtimes.errors import ExportError, SettingError, SourceError
from edgediff_runtimes.text import open_tokenizer


@pytest.fixture
def copy(sd1, tmp_path):
    """A copy of ``sd1`` to spoil."""
    return shutil.copytree(sd1, tmp_path / "model")


def refused(source, words, **options):
    with pytest.raises(SourceError, match=words) as caught:
        export(source, source.parent / "bundle", **options)
    assert caught.value.sentence.count("\n") == 0
    assert not (source.parent / "bundle").exists()
    assert not list(source.parent.glob(".*"))
    return caught.value


def test_what_is_not_there(tmp_path):
    refused(tmp_path / "nothing", "`nothing` is not there: expected a directory")


def test_not_a_model_directory(tmp_path):
    (tmp_path / "model").mkdir()
    refused(tmp_path / "model", "`model` is not a model directory: expected `model_index.json`")


def test_an_index_that_is_not_json(copy):
    (copy / "model_index.json").write_text("{")
    refused(copy, "`model/model_index.json` cannot be read as JSON")


def test_an_unknown_family_is_named(copy):
    (copy / "model_index.json").write_text(json.dumps({"_class_name": "KandinskyPipeline"}))
    refused(copy, "the family of `KandinskyPipeline` is unknown: expected one of .*StableDiffusionPipeline")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_component(copy, part):
    shutil.rmtree(copy / part)
    refused(copy, f"the component `{part}` is missing")


def test_missing_weights(copy):
    (copy / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"`unet` has no weights: expected a `.safetensors` file"):
        open_source(copy).weights("unet")


def test_weights_that_are_only_a_pickle(copy):
    (copy / "text_encoder" / "model.safetensors").unlink()
    (copy / "text_encoder" / "pytorch_model.bin").write_bytes(b"\x80\x04")
    error = refused(copy, "the weights of `text_encoder` are there only as a pickle")
    assert "safe_serialization=True" in str(error.hint)


def test_a_pickled_checkpoint(tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x04")
    refused(tmp_path / "model.ckpt", "`model.ckpt` is a pickle, which can run any code")


def test_truncated_weights(copy):
    path = copy / "text_encoder" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refused(copy, "`model.safetensors` is not a whole safetensors file")


@pytest.mark.parametrize("content", [b"", (10**9).to_bytes(8, "little"), b"\x02" + bytes(7) + b"{]"])
def test_damaged_weights(copy, content):
    (copy / "text_encoder" / "model.safetensors").write_bytes(content)
    refused(copy, "`model.safetensors` is not a whole safetensors file")


def test_a_tensor_that_leaves_its_file(copy):
    header = json.dumps({"a": {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(16)
    (copy / "text_encoder" / "model.safetensors").write_bytes(content)
    refused(copy, "`a` ends at")


def test_a_missing_and_a_misshapen_tensor_are_named(copy):
    path = copy / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    name = "final_layer_norm.bias"
    key = next(key for key in tensors if key.endswith(name))
    save_file({key_: tensor for key_, tensor in tensors.items() if key_ != key}, path)
    refused(copy, f"`text_encoder` are not complete: expected a tensor `{name}`")
    save_file({**tensors, key: torch.zeros(3)}, path)
    refused(copy, f"the tensor `{name}` of `text_encoder` has shape")


HIDDEN = "-----BEGIN PRIVATE KEY-----"


@pytest.mark.usefixtures("traced_already")
@pytest.mark.parametrize(
    "name",
    [
        "LICENSE",
        "LICENSE-2",
        "README.md",
        "model_index.json",
        "scheduler/scheduler_config.json",
        "tokenizer/added_tokens.json",
        "tokenizer/tokenizer_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "unet",
    ],
)
def test_a_link_that_leads_out_is_refused(copy, name):
    (copy.parent / "secret").write_text(HIDDEN)
    path = copy / name
    if path.exists():
        (copy.parent / "secret").unlink()
        path.rename(copy.parent / "secret")
    path.symlink_to(copy.parent / "secret")
    refused(copy, f"`{name}.*` leads out of the model's directory through a link")


def test_a_link_in_a_circle_is_refused(copy):
    (copy / "LICENSE").symlink_to("LICENSE")
    with pytest.raises(SourceError, match=r"`LICENSE` cannot be (followed|read)"):
        open_source(copy).find("LICENSE")


def test_a_link_inside_the_source_is_followed(copy):
    (copy / "unet" / "diffusion_pytorch_model.safetensors").rename(copy / "weights.safetensors")
    (copy / "unet" / "diffusion_pytorch_model.safetensors").symlink_to("../weights.safetensors")
    source = open_source(copy)
    assert source.weights("unet").tensors
    assert copy / "unet" / "diffusion_pytorch_model.safetensors" in source.files  # its name is hashed, not the target's


@pytest.mark.usefixtures("traced_already")
def test_a_source_in_the_hubs_cache_is_exported_by_its_folder(sd1, tmp_path):
    snapshot = tmp_path / "models--owner--model" / "snapshots" / ("1" * 40)
    blobs = snapshot.parents[1] / "blobs"
    blobs.mkdir(parents=True)
    for number, path in enumerate(sorted(path for path in sd1.rglob("*") if path.is_file())):
        blob = blobs / f"{number:064x}"
        shutil.copyfile(path, blob)
        link = snapshot / path.relative_to(sd1)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    made = export(snapshot, tmp_path / "bundle")
    assert open_source(snapshot).files
    assert not any(path.is_symlink() for path in made.path.rglob("*"))
    assert (made.path / "tokenizer" / "vocab.json").read_bytes() == (sd1 / "tokenizer" / "vocab.json").read_bytes()


def edit(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("unet", {"in_channels": None}),
        ("unet", {"in_channels": "four"}),
        ("unet", {"cross_attention_dim": [1, 2, 3]}),
        ("unet", {"block_out_channels": []}),
        ("unet", {"block_out_channels": 5}),
        ("unet", {"norm_num_groups": 0}),
        ("unet", {"down_block_types": ["NoBlock", "NoBlock"]}),
        ("unet", {"attention_head_dim": 0}),
        ("unet", {"sample_size": "large"}),
        ("unet", {"sample_size": [1, 2, 3]}),
        ("vae", {"latent_channels": None}),
        ("vae", {"latent_channels": {}}),
        ("vae", {"block_out_channels": None}),
        ("vae", {"act_fn": "none"}),
        ("text_encoder", {"vocab_size": "many"}),
        ("text_encoder", {"max_position_embeddings": None}),
        ("text_encoder", {"num_attention_heads": 0}),
        ("text_encoder", {"hidden_act": "none"}),
        ("text_encoder", {"num_attention_heads": 3}),
    ],
)
def test_an_odd_config_is_one_sentence(copy, part, fields):
    edit(copy / part / "config.json", **fields)
    with pytest.raises(SourceError) as caught:
        build_all(copy)
    assert "\n" not in caught.value.sentence


def build_all(folder):
    """Read a source and build its modules, as the first steps of an export do."""
    opened = open_model(folder, config=None)
    for plan in opened.plans:
        empty_module(plan, opened.source.config(plan.origin))


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("text_encoder", "max_position_embeddings", 10**12),
        ("text_encoder", "num_hidden_layers", 10**6),
        ("unet", "layers_per_block", 10**9),
        ("unet", "layers_per_block", [1, 10**9]),
        ("unet", "block_out_channels", [8, 10**12]),
        ("vae", "block_out_channels", [8] * 100_000),
    ],
)
def test_a_number_that_no_model_has_is_refused_before_it_becomes_memory(copy, part, field, value):
    edit(copy / part / "config.json", **{field: value})
    error = refused(copy, f"`{field}` of `{part}/config.json`")
    assert len(error.sentence) < 200


def test_a_config_that_is_nested_too_deep(copy):
    (copy / "unet" / "config.json").write_text("[" * 100_000)
    refused(copy, "`model/unet/config.json` cannot be read as JSON")


@pytest.mark.parametrize(
    "name", ["model_index.json", "tokenizer/vocab.json", "scheduler/scheduler_config.json", "unet/config.json"]
)
def test_a_pointer_of_git_lfs_is_named(copy, name):
    (copy / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    error = refused(copy, f"`{name.rpartition('/')[2]}` is a pointer of git-lfs: the file itself was not downloaded")
    assert "git lfs pull" in error.hint


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b"null", b'{"a": 1e999}', b'{"a": "\\ud800"}', b'{"a": NaN}'])
def test_odd_json_is_one_sentence(copy, content):
    (copy / "unet" / "config.json").write_bytes(content)
    refused(copy, r"`model/unet/config.json` cannot be read as (JSON|text)")


@pytest.mark.parametrize("stated", [1e30, -5, 0, False, "77", None, {}])
def test_an_odd_prompt_limit_is_the_text_encoders(copy, tmp_path, stated):
    edit(copy / "tokenizer" / "tokenizer_config.json", model_max_length=stated)
    (tmp_path / "bundle").mkdir()
    assert write_tokenizer(open_source(copy), "tokenizer", tmp_path / "bundle", reader="text_encoder").max_tokens == 24


def _with_t5(copy, stated):
    """T5's tokenizer in place of CLIP's, and an encoder that has no positions."""
    shutil.rmtree(copy / "tokenizer")
    shutil.copytree(Path(__file__).parents[1] / "golden" / "text" / "t5", copy / "tokenizer")
    edit(copy / "tokenizer" / "tokenizer_config.json", model_max_length=stated)
    edit(copy / "text_encoder" / "config.json", max_position_embeddings=None)


@pytest.mark.parametrize(("stated", "most"), [(512, 512), (10**30, 8192), (None, 8192)])
def test_the_files_of_t5s_tokenizer_are_copied(copy, tmp_path, stated, most):
    _with_t5(copy, stated)
    (tmp_path / "bundle").mkdir()
    tokenizer = write_tokenizer(open_source(copy), "tokenizer", tmp_path / "bundle", reader="text_encoder")
    assert (tokenizer.kind, tokenizer.max_tokens) == ("unigram", most)
    names = ["spiece.model", "tokenizer.json", "tokenizer_config.json"]
    assert [file.path for file in tokenizer.files] == [f"tokenizer/{name}" for name in names]
    folder = tmp_path / "bundle" / "tokenizer"
    prompts = ["", "a red  apple <extra_id_7>\nㅤﬁ"]
    rows = open_tokenizer(folder, kind="unigram", max_tokens=9).encode(prompts).ids.tolist()
    assert rows[0] == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    (folder / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    assert open_tokenizer(folder, kind="unigram", max_tokens=9).encode(prompts).ids.tolist() == rows
    (tmp_path / "tokenizer.json").rename(folder / "tokenizer.json")
    reference = transformers.T5Tokenizer.from_pretrained(folder, local_files_only=True)
    theirs = reference(prompts, padding="max_length", max_length=9, truncation=True)["input_ids"]
    assert theirs == rows


def test_a_tokenizer_that_the_runtime_cannot_read_is_refused(copy, tmp_path):
    _with_t5(copy, 512)
    (copy / "tokenizer" / "spiece.model").write_bytes(b"no pieces")
    (tmp_path / "bundle").mkdir()
    with pytest.raises(SourceError, match="holds no readable tokenizer"):
        write_tokenizer(open_source(copy), "tokenizer", tmp_path / "bundle", reader="text_encoder")


def test_t5s_tokenizer_without_a_graph_for_openvino_is_told_and_no_failure(copy, tmp_path, monkeypatch):
    def fail(folder, **_):
        raise ExportError(f"the tokenizer in `{folder.name}` cannot be written for OpenVINO: no")

    monkeypatch.setattr(openvino_tokenizer, "write_openvino_tokenizer", fail)
    _with_t5(copy, 512)
    (tmp_path / "bundle").mkdir()
    tokenizer = write_tokenizer(open_source(copy), "tokenizer", tmp_path / "bundle", reader="text_encoder")
    with pytest.warns(openvino_tokenizer.TokenizerGraphWarning, match=r"`tokenizer` cannot be written.*left out"):
        assert openvino_tokenizer.with_openvino_graph(tokenizer, tmp_path / "bundle") == tokenizer
    with pytest.raises(ExportError, match="cannot be written for OpenVINO"):
        openvino_tokenizer.with_openvino_graph(replace(tokenizer, kind="clip"), tmp_path / "bundle")


def test_a_tokenizer_of_an_unknown_class_is_named(copy, tmp_path):
    edit(copy / "tokenizer" / "tokenizer_config.json", tokenizer_class="XLNetTokenizer")
    (tmp_path / "bundle").mkdir()
    with pytest.raises(
        SourceError, match=r"^`tokenizer/tokenizer_config.json: tokenizer_class` is .*XLNet.* CLIPTokenizer"
    ):
        write_tokenizer(open_source(copy), "tokenizer", tmp_path / "bundle", reader="text_encoder")


def test_an_unknown_format_is_refused(sd1, tmp_path):
    with pytest.raises(SettingError, match="`format` is 'coreml': expected one of onnx, openvino"):
        export(sd1, tmp_path / "bundle", format="coreml")


def test_a_config_is_refused_where_it_would_do_nothing(sd1, tmp_path):
    with pytest.raises(SettingError, match="only a single checkpoint needs it"):
        export(sd1, tmp_path / "bundle", config=sd1)


def test_a_unet_with_other_conditions_is_refused(copy):
    path = copy / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "addition_embed_type": "text_time"}))
    refused(copy, "expected a Stable Diffusion 1.x or 2.x U-Net")


def test_shards_and_half_precision_files_are_read(sd1, tmp_path):
    unet = UNet2DConditionModel.from_pretrained(sd1 / "unet")
    unet.half().save_pretrained(tmp_path / "model" / "unet", max_shard_size="20KB")
    assert len(list((tmp_path / "model" / "unet").glob("*.safetensors"))) > 2
    shutil.copy(sd1 / "model_index.json", tmp_path / "model")
    tensors = open_source(tmp_path / "model").weights("unet").tensors
    assert tensors.keys() == unet.state_dict().keys()
    for name, tensor in unet.state_dict().items():
        torch.testing.assert_close(tensors[name], tensor, rtol=0, atol=0)


def test_dropping_pages_loses_nothing(sd1):
    weights = open_source(sd1).weights("unet")
    before = {name: tensor.clone() for name, tensor in weights.tensors.items()}
    weights.drop_pages()
    for name, tensor in before.items():
        torch.testing.assert_close(weights.tensors[name], tensor, rtol=0, atol=0)


def test_old_names_of_the_vaes_attention_are_known():
    rename = next(p.rename for p in plans_of("stable-diffusion", _Configs()) if p.origin == "vae")
    assert rename("decoder.mid_block.attentions.0.proj_attn.weight") == "decoder.mid_block.attentions.0.to_out.0.weight"
    assert rename("encoder.mid_block.attentions.0.query.bias") == "encoder.mid_block.attentions.0.to_q.bias"


class _Configs:
    """The configs of a source that has no files."""

    def __init__(self):
        self.index = {}

    def config(self, origin):
        return {
            "vae": {"latent_channels": 4, "in_channels": 3, "block_out_channels": [8, 8]},
            "unet": {"in_channels": 4, "cross_attention_dim": 8},
            "text_encoder": {"vocab_size": 10, "max_position_embeddings": 8},
        }[origin]


def test_a_hub_name_without_a_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SourceError, match=r"`owner/model` is no local path.*HF_HUB_OFFLINE is set") as caught:
        open_source("owner/model")
    assert caught.value.hint is not None


def test_a_hub_name_in_the_hubs_cache(sd1, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    commit, repository = "0" * 40, tmp_path / "models--owner--model"
    shutil.copytree(sd1, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    source = open_source("owner/model")
    assert source.name == "owner/model"
    assert source.weights("unet").tensors


@pytest.mark.parametrize("kind", ["cause", "context", "text"])
def test_an_interrupt_inside_a_library_stays_one(kind):
    failed = RuntimeError("KeyboardInterrupt: " if kind == "text" else "tracing failed")
    failed.__cause__ = KeyboardInterrupt() if kind == "cause" else None
    failed.__context__ = KeyboardInterrupt() if kind == "context" else None
    with pytest.raises(KeyboardInterrupt), refusing_oddities("the config"):
        raise failed
