"""A checkpoint in the original layout gives the very graphs that its directory gives, byte for byte.

Which model a lone checkpoint is, is shown at the published models' shapes: with headers, and files full of holes.
"""

from __future__ import annotations

import json
import runpy
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgediff_exporters import export
from edgediff_exporters.families import plans_of
from edgediff_exporters.opening import UntoldStepsWarning, open_model
from edgediff_exporters.sources import open_source
from edgediff_exporters.sources.directory import open_directory
from edgediff_exporters.sources.layouts import LAYOUTS, write_clip_vocabulary
from edgediff_exporters.tokenizers import write_tokenizer
from edgediff_exporters.tracing import empty_module
from edgediff_runtimes.errors import SettingError, SourceError, TargetError
from edgediff_runtimes.text import open_tokenizer

NAMES = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("original_names.py"))))
original_open_clip, original_tensor, write_header = NAMES.original_open_clip, NAMES.original_tensor, NAMES.write_header
original_unet_name, original_vae_name = NAMES.original_unet_name, NAMES.original_vae_name


@pytest.fixture(scope="module")
def checkpoint(sd1, tmp_path_factory):
    tensors = {}
    for name, tensor in load_file(sd1 / "unet" / "diffusion_pytorch_model.safetensors").items():
        tensors[original_unet_name(name)] = tensor
    for name, tensor in load_file(sd1 / "vae" / "diffusion_pytorch_model.safetensors").items():
        tensors[original_vae_name(name)] = original_tensor(original_vae_name(name), tensor)
    for name, tensor in load_file(sd1 / "text_encoder" / "model.safetensors").items():
        plain = name.removeprefix("text_model.")
        tensors[f"cond_stage_model.transformer.text_model.{plain}"] = tensor
    path = tmp_path_factory.mktemp("checkpoint") / "sd1.safetensors"
    save_file(tensors, path)
    return path


def test_it_gives_the_same_graphs_as_the_directory(sd1, checkpoint, report, tmp_path):
    made = export(checkpoint, tmp_path / "bundle", config=sd1)
    assert made.manifest.components == report.manifest.components  # hashes and measured errors included
    assert made.manifest.recipe == report.manifest.recipe
    assert made.manifest.provenance.source == "sd1.safetensors"
    assert made.manifest.provenance.command.endswith("--config sd1")


def test_a_checkpoint_inside_the_bundle_is_not_overwritten_with_it(sd1, checkpoint, tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "edgediff.json").write_text("{}")
    inside = shutil.copyfile(checkpoint, tmp_path / "bundle" / "model.safetensors")
    with pytest.raises(TargetError, match="`bundle` holds the source itself"):
        export(inside, tmp_path / "bundle", config=sd1, overwrite=True)
    assert inside.exists()


def test_without_configs_it_says_what_is_lacking(checkpoint, tmp_path):
    with pytest.raises(SourceError, match="weights only, and not those of a model whose configs are known") as caught:
        export(checkpoint, tmp_path / "bundle")
    assert "`config=DIR`" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("unet", {"layers_per_block": "x"}),
        ("unet", {"layers_per_block": None}),
        ("vae", {"down_block_types": 5}),
        ("text_encoder", {"num_hidden_layers": "x"}),
        ("text_encoder", {"num_hidden_layers": None}),
    ],
)
def test_odd_configs_for_a_checkpoint_are_one_sentence(checkpoint, sd1, pipelines, tmp_path, part, fields):
    configs = tmp_path / "configs"
    for file in ["model_index.json", *(f"{name}/config.json" for name in ("unet", "vae", "text_encoder"))]:
        (configs / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sd1 / file, configs / file)
    path = configs / part / "config.json"
    values = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))
    if part == "text_encoder":  # CLIP's own names need no config
        tensors = {**load_file(checkpoint), **original_open_clip(load_file(pipelines["sd2"] / "text_encoder" / TEXT))}
        checkpoint = tmp_path / "sd2.safetensors"
        others = {name: value for name, value in tensors.items() if not name.startswith("cond_stage_model.transformer")}
        save_file(others, checkpoint)
    with pytest.raises(SourceError, match=rf"`{part}/config.json` of `configs`, with these tensors, ca") as caught:
        open_source(checkpoint, config=configs)
    assert "\n" not in caught.value.sentence


TEXT = "model.safetensors"


def test_configs_that_are_not_there_are_named_and_not_the_checkpoint(checkpoint, tmp_path):
    with pytest.raises(SettingError, match=r"`config` is '/nope': expected a directory .*one of sd1, sd2, sd2-v"):
        open_source(checkpoint, config="/nope")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="`empty` is not a model directory"):
        open_source(checkpoint, config=tmp_path / "empty")


def test_a_lone_lora_is_refused_as_a_lora(tmp_path):
    file = tmp_path / "my.safetensors"
    save_file({"lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": torch.ones(2, 2)}, file)
    with pytest.raises(SourceError, match=r"`my.safetensors` holds a LoRA .*`lora_unet_.* and no model") as caught:
        open_source(file)
    assert "fuse_lora" in str(caught.value.hint)


def test_another_layout_is_refused(sd1, tmp_path):
    with pytest.raises(SourceError, match=r"holds nothing in the layout of Stable Diffusion 1.x or 2.x"):
        export(sd1 / "unet" / "diffusion_pytorch_model.safetensors", tmp_path / "bundle", config=sd1)


def test_open_clips_text_encoder_is_renamed_value_by_value(pipelines, tmp_path):
    folder = pipelines["sd2"]
    text = load_file(folder / "text_encoder" / "model.safetensors")
    tensors = original_open_clip(text)
    tensors["cond_stage_model.model.transformer.resblocks.2.ln_1.bias"] = torch.ones(16)  # the layer that nothing reads
    for origin, old_name in (("unet", original_unet_name), ("vae", original_vae_name)):
        for name, tensor in load_file(folder / origin / "diffusion_pytorch_model.safetensors").items():
            tensors[old_name(name)] = original_tensor(old_name(name), tensor)
    save_file(tensors, tmp_path / "sd2.safetensors")
    source = open_source(tmp_path / "sd2.safetensors", config=folder)
    got = source.weights("text_encoder").tensors
    assert got.keys() == {name.removeprefix("text_model.") for name in text}
    for name, tensor in text.items():
        torch.testing.assert_close(got[name.removeprefix("text_model.")], tensor, rtol=0, atol=0)
    assert source.unread == ("cond_stage_model.model.transformer.resblocks.2.ln_1.bias",)


# As counted of the published models.
PARAMETERS = {
    "sd1": {"text_encoder": 123_060_480, "unet": 859_520_964, "vae": 83_653_863},
    "sd2": {"text_encoder": 340_387_840, "unet": 865_910_724, "vae": 83_653_863},
    "sd2-v": {"text_encoder": 340_387_840, "unet": 865_910_724, "vae": 83_653_863},
}


def modules_of(layout):
    source = open_directory(LAYOUTS / layout)
    plans = plans_of("stable-diffusion", source)
    return {plan.origin: empty_module(plan, source.config(plan.origin)) for plan in plans}


@pytest.fixture(scope="module")
def shapes():
    """The tensors of the published checkpoints, by layout, without memory."""
    made = {}
    for layout in ("sd1", "sd2"):
        parts = modules_of(layout)
        tensors = {original_unet_name(name, 2, (0,)): value for name, value in parts["unet"].state_dict().items()}
        for name, value in parts["vae"].state_dict().items():
            tensors[original_vae_name(name, 4)] = original_tensor(original_vae_name(name, 4), value)
        text = parts["text_encoder"].state_dict()
        if layout == "sd2":
            tensors |= original_open_clip(text)
        else:
            tensors |= {f"cond_stage_model.transformer.text_model.{name}": value for name, value in text.items()}
        made[layout] = {name: list(value.shape) for name, value in tensors.items()}
    return made


@pytest.mark.parametrize("layout", PARAMETERS)
def test_the_configs_that_are_shipped_make_the_published_models(layout):
    parts = modules_of(layout)
    assert {o: sum(p.numel() for p in module.parameters()) for o, module in parts.items()} == PARAMETERS[layout]


def test_a_lone_checkpoint_of_stable_diffusion_1_is_known_by_its_tensors(shapes, tmp_path):
    training = {"alphas_cumprod": [1000], "model_ema.decay": [1], "first_stage_model.loss.logvar": [1]}
    path = write_header(tmp_path / "mine.safetensors", shapes["sd1"] | training)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what training left behind is no reason to say anything
        opened = open_model(path, config=None)
        opened.recommended({"steps": 20, "guidance": 7.5})
    with pytest.warns(UntoldStepsWarning, match=r"`mine.safetensors` .* distilled .* 20 steps and a guidance of 7.5"):
        defaults = opened.recommended({})
    assert (defaults.steps, defaults.guidance, defaults.width, defaults.height) == (20, 7.5, 512, 512)
    assert opened.scheduler(steps=20)["_class_name"] == "PNDMScheduler"
    assert opened.source.name == "mine.safetensors"
    tokenizer = write_tokenizer(opened.source, "tokenizer", tmp_path, reader="text_encoder")
    assert (tokenizer.max_tokens, len(tokenizer.files)) == (77, 5)
    assert open_tokenizer(tmp_path / "tokenizer", max_tokens=77).encode(["a cat"]).ids[0, :5].tolist() == [
        49406, 320, 2368, 49407, 49407
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "config", "size", "prediction"),
    [
        ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, None, 768, "v_prediction"),
        ({"modelspec.prediction_type": "epsilon"}, None, 512, "epsilon"),
        ({}, "sd2-v", 768, "v_prediction"),
        ({}, "sd2", 512, "epsilon"),
    ],
)
def test_stable_diffusion_2_is_known_by_its_metadata_or_by_a_word(shapes, tmp_path, metadata, config, size, prediction):
    opened = open_model(write_header(tmp_path / "two.safetensors", shapes["sd2"], **metadata), config=config)
    assert opened.recommended({"steps": 20, "guidance": 7.5}).width == size
    assert opened.scheduler(steps=20)["prediction_type"] == prediction


def test_what_tensors_cannot_tell_is_asked(shapes, tmp_path):
    path = write_header(tmp_path / "two.safetensors", shapes["sd2"])
    with pytest.raises(SourceError, match="neither its tensors nor its metadata tell which") as caught:
        open_model(path, config=None)
    assert '`config="sd2-v"` is Stable Diffusion 2.x (768x768, predicts v)' in str(caught.value.hint)


def test_additions_inside_a_checkpoint_are_refused_as_what_they_are(shapes, tmp_path):
    unet = "model.diffusion_model.input_blocks.0.0.weight"
    path = tmp_path / "other.safetensors"
    write_header(path, shapes["sd1"] | {"lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": [320, 4]})
    with pytest.raises(SourceError, match=r"`other.safetensors` holds a LoRA that is not merged"):
        open_model(path, config=None)
    write_header(path, shapes["sd1"] | {"v_pred": [0]})
    with pytest.raises(SourceError, match="holds a mark that it predicts v"):
        open_model(path, config=None)
    write_header(path, shapes["sd1"] | {unet: [320, 9, 3, 3]})
    with pytest.raises(SourceError, match="not those of a model whose configs are known"):
        open_model(path, config=None)
    write_header(path, {name: shape for name, shape in shapes["sd1"].items() if not name.endswith("out.2.bias")})
    with pytest.raises(SourceError, match=r"`unet` are not complete: expected a tensor `conv_out.bias`"):
        open_model(path, config=None)


# As published with CLIP: the ids that OpenAI's own tokenizer gives.
@pytest.mark.parametrize(
    ("prompt", "ids"),
    [
        ("a photo of a cat", [320, 1125, 539, 320, 2368]),
        ("a photo of an astronaut riding a horse on mars", [320, 1125, 539, 550, 18376, 6765, 320, 4558, 525, 7496]),
        ("hello world!", [3306, 1002, 256]),
        ("a diagram", [320, 22697]),
        ("a dog", [320, 1929]),
    ],
)
def test_the_vocabulary_that_is_shipped_is_clips(tmp_path, prompt, ids):
    write_clip_vocabulary(tmp_path)
    assert len(json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8"))) == 49408
    row = open_tokenizer(tmp_path, max_tokens=77).encode([prompt]).ids[0].tolist()
    assert row[: len(ids) + 2] == [49406, *ids, 49407]
