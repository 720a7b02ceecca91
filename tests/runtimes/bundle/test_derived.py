"""A directory as optimum-onnx writes it, without ``edgediff.json``."""

from __future__ import annotations

import json

import pytest

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import BundleError, ManifestError
from edgediff_runtimes.families.latents import INPAINTING, TASKS
from edgediff_runtimes.recipe.declarations import Affine


@pytest.fixture
def optimum_dir(bundle_dir):
    (bundle_dir / "edgediff.json").unlink()
    return bundle_dir


def _write(path, values):
    path.write_text(json.dumps(values), encoding="utf-8")


def test_the_manifest_is_derived(optimum_dir):
    bundle = Bundle.open(optimum_dir)
    manifest = bundle.manifest
    assert bundle.derived
    assert manifest.family == "stable-diffusion"
    assert manifest.tasks == (*TASKS, *INPAINTING)
    assert set(manifest.components) == {"text_encoder", "unet", "vae_decoder", "vae_encoder"}
    assert manifest.scheduler["_class_name"] == "DDIMScheduler"
    stage = manifest.recipe.first
    assert (stage.space.channels, stage.space.factor) == (4, 8)
    assert stage.result[0] == Affine("x", "latents", over=0.5)
    assert (manifest.defaults.width, manifest.defaults.height) == (64, 64)
    assert manifest.tokenizers[0].max_tokens == 12
    assert manifest.recipe.first.schedule.strength == "tail"
    assert all(entry.sha256 is None for entry in bundle.files())
    bundle.check_hashes()


def test_external_weights_belong_to_a_component(optimum_dir):
    (optimum_dir / "unet" / "model.onnx_data").write_bytes(b"12345")
    files = Bundle.open(optimum_dir).manifest.components["unet"].files
    assert [(entry.path, entry.bytes) for entry in files][1:] == [("unet/model.onnx_data", 5)]


def test_graphs_of_optimum_intel(optimum_dir):
    _write(optimum_dir / "model_index.json", {"_class_name": "OVStableDiffusionPipeline"})
    for graph in list(optimum_dir.glob("*/model.onnx")):
        graph.rename(graph.with_name("openvino_model.xml"))
        graph.with_name("openvino_model.bin").write_bytes(b"123")
    components = Bundle.open(optimum_dir).manifest.components
    assert set(components) == {"text_encoder", "unet", "vae_decoder", "vae_encoder"}
    for role, component in components.items():
        assert component.format == "openvino"
        assert [file.path for file in component.files] == [f"{role}/openvino_model.xml", f"{role}/openvino_model.bin"]


def test_class_names_of_optimum_and_lcm(optimum_dir):
    _write(optimum_dir / "model_index.json", {"_class_name": "ORTLatentConsistencyModelPipeline"})
    _write(optimum_dir / "unet" / "config.json", {"sample_size": 8, "time_cond_proj_dim": 32})
    manifest = Bundle.open(optimum_dir).manifest
    assert (manifest.defaults.steps, manifest.defaults.guidance) == (4, 8.5)
    assert manifest.recipe.first.schedule.strength == "whole"


def test_without_an_encoder_there_is_no_image_to_image(optimum_dir):
    (optimum_dir / "vae_encoder" / "model.onnx").unlink()
    assert Bundle.open(optimum_dir).manifest.tasks == ("text-to-image",)


@pytest.mark.parametrize("role", ["text_encoder", "unet", "vae_decoder"])
def test_a_missing_component_is_named(optimum_dir, role):
    (optimum_dir / role / "model.onnx").unlink()
    with pytest.raises(BundleError, match=rf"`{role}` is missing"):
        Bundle.open(optimum_dir)


def test_an_unknown_family_is_named(optimum_dir):
    _write(optimum_dir / "model_index.json", {"_class_name": "KandinskyPipeline"})
    with pytest.raises(BundleError, match=r"`KandinskyPipeline` is unknown: expected one of .*StableDiffusionPipeline"):
        Bundle.open(optimum_dir)


@pytest.mark.parametrize(
    ("file", "values", "name"),
    [
        ("model_index.json", {}, "_class_name"),
        ("model_index.json", [], "model_index.json"),
        ("unet/config.json", None, "unet/config.json"),
        ("unet/config.json", {"sample_size": "large"}, "sample_size"),
        ("vae_decoder/config.json", {"latent_channels": 4}, "block_out_channels"),
        ("vae_decoder/config.json", {"latent_channels": 4, "block_out_channels": []}, "block_out_channels"),
        ("vae_decoder/config.json", {"latent_channels": "4", "block_out_channels": [1]}, "latent_channels"),
        ("scheduler/scheduler_config.json", None, "scheduler/scheduler_config.json"),
        ("scheduler/scheduler_config.json", {"beta_end": 0.01}, "_class_name"),
    ],
)
def test_a_wrong_config_is_named(optimum_dir, file, values, name):
    (optimum_dir / file).write_text("{" if values is None else json.dumps(values), encoding="utf-8")
    with pytest.raises(BundleError) as caught:
        Bundle.open(optimum_dir)
    assert name in caught.value.sentence


def test_an_endless_prompt_limit_is_clips(optimum_dir):
    _write(optimum_dir / "tokenizer" / "tokenizer_config.json", {"model_max_length": 10**30})
    assert Bundle.open(optimum_dir).manifest.tokenizers[0].max_tokens == 77


@pytest.mark.parametrize(
    ("class_name", "limit", "expected"),
    [
        ("T5TokenizerFast", 512, ("unigram", 512)),
        ("T5Tokenizer", 10**30, ("unigram", 8192)),
        ("Qwen2Tokenizer", 131072, ("byte-level-bpe", 8192)),
        ("PreTrainedTokenizerFast", 77, ("clip", 77)),
    ],
)
def test_the_class_of_a_tokenizer_tells_its_kind(optimum_dir, class_name, limit, expected):
    values = {"tokenizer_class": class_name, "model_max_length": limit, "chat_template": "{{ '\x1b' }}\r\n"}
    _write(optimum_dir / "tokenizer" / "tokenizer_config.json", values)
    _write(optimum_dir / "tokenizer" / "tokenizer.json", {"model": {"type": "BPE", "end_of_word_suffix": "</w>"}})
    (tokenizer,) = Bundle.open(optimum_dir).manifest.tokenizers
    assert (tokenizer.kind, tokenizer.max_tokens) == expected


def test_a_tokenizer_of_an_unknown_class_is_named(optimum_dir):
    _write(optimum_dir / "tokenizer" / "tokenizer_config.json", {"tokenizer_class": "XLNetTokenizer"})
    with pytest.raises(ManifestError, match=r"tokenizer/tokenizer_config.json: tokenizer_class"):
        Bundle.open(optimum_dir)


def test_steps_that_the_configs_do_not_tell_are_asked_for(optimum_dir):
    path = optimum_dir / "scheduler" / "scheduler_config.json"
    _write(path, {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"})
    with pytest.warns(UserWarning, match="do not tell how many steps it takes"):
        defaults = Bundle.open(optimum_dir).manifest.defaults
    assert (defaults.steps, defaults.guidance) == (20, 7.5)
    _write(path, {"_class_name": "LCMScheduler"})
    defaults = Bundle.open(optimum_dir).manifest.defaults
    assert (defaults.steps, defaults.guidance) == (4, 1.0)


def test_a_pointer_of_git_lfs_is_named_without_a_manifest(optimum_dir, pointer):
    (optimum_dir / "unet" / "model.onnx").write_bytes(pointer)
    with pytest.raises(BundleError, match=r"`unet/model\.onnx` is a pointer of git-lfs"):
        Bundle.open(optimum_dir)


def test_a_folder_of_a_component_that_cannot_be_read(optimum_dir, forbid):
    forbid(optimum_dir / "unet")
    with pytest.raises(BundleError, match=r"`unet` cannot be read \(Permission denied\)"):
        Bundle.open(optimum_dir)
