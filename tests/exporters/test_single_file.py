"""A checkpoint in the original layout gives the very graphs that its directory gives, byte for byte.

Which model a lone checkpoint is, is shown at the published models' shapes: with headers, and files full of holes.
"""

from __future__ import annotations

import json
import re
import shutil
import warnings

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

LAYERS = 1  # of the tiny U-Net
BLOCKS = 2
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
VAE = {
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
    "mid_block.attentions.0.to_q": "mid.attn_1.q",
    "mid_block.attentions.0.to_k": "mid.attn_1.k",
    "mid_block.attentions.0.to_v": "mid.attn_1.v",
    "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
}


def original_unet_name(name, layers=LAYERS, plain_up=()):
    """`plain_up`: which blocks on the way up have no attention."""
    is_resnet = ".resnets." in name
    for new, old in UNET_ENDS.items():
        name = re.sub(rf"^{re.escape(new)}\.", f"{old}.", name)
    per = layers + 1
    if match := re.match(r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", name):
        place = 1 + int(match[1]) * per + int(match[3])
        name = name.replace(match[0], f"input_blocks.{place}.{int(match[2] == 'attentions')}.")
    if match := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.", name):
        name = name.replace(match[0], f"input_blocks.{(int(match[1]) + 1) * per}.0.op.")
    if match := re.match(r"up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", name):
        place = int(match[1]) * per + int(match[3])
        name = name.replace(match[0], f"output_blocks.{place}.{int(match[2] == 'attentions')}.")
    if match := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.", name):
        after = 1 if int(match[1]) in plain_up else 2  # modules: a convolution, and an attention
        name = name.replace(match[0], f"output_blocks.{int(match[1]) * per + layers}.{after}.")
    if is_resnet:
        for new, old in RESNET.items():
            name = name.replace(f".{new}.", f".{old}.")
    return f"model.diffusion_model.{name}"


def original_vae_name(name, blocks=BLOCKS):
    for new, old in VAE.items():
        name = name.replace(new, old)
    name = re.sub(r"encoder\.down_blocks\.(\d+)\.resnets\.(\d+)", r"encoder.down.\1.block.\2", name)
    name = re.sub(r"encoder\.down_blocks\.(\d+)\.downsamplers\.0", r"encoder.down.\1.downsample", name)
    if match := re.match(r"decoder\.up_blocks\.(\d+)", name):
        name = name.replace(match[0], f"decoder.up.{blocks - 1 - int(match[1])}")
        name = re.sub(r"\.resnets\.(\d+)", r".block.\1", name).replace("upsamplers.0", "upsample")
    return f"first_stage_model.{name}"


def original_tensor(name, tensor):
    if re.search(r"attn_1\.(q|k|v|proj_out)\.weight", name):
        tensor = tensor[:, :, None, None].contiguous()
    return tensor


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
    with pytest.raises(SourceError, match=r"`my.safetensors` holds a LoRA .*`lora_unet_.* and no U-Net") as caught:
        open_source(file)
    assert "fuse_lora" in str(caught.value.hint)


def test_another_layout_is_refused(sd1, tmp_path):
    with pytest.raises(SourceError, match=r"has no U-Net of the Stable Diffusion 1.x or 2.x layout"):
        export(sd1 / "unet" / "diffusion_pytorch_model.safetensors", tmp_path / "bundle", config=sd1)


OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm": "ln_final",
    "encoder.layers": "transformer.resblocks",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def original_open_clip(tensors):
    """The text encoder as Stable Diffusion 2.x checkpoints hold it: queries, keys and values in one tensor."""
    made = {}
    for name, tensor in tensors.items():
        old = name.removeprefix("text_model.")
        for theirs, ours in OPEN_CLIP.items():
            old = old.replace(theirs, ours)
        if match := re.fullmatch(r"(.*)\.self_attn\.q_proj\.(weight|bias)", old):
            thirds = [tensors[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            made[f"cond_stage_model.model.{match[1]}.attn.in_proj_{match[2]}"] = torch.cat(thirds)
        elif ".self_attn." not in old:
            made[f"cond_stage_model.model.{old}"] = tensor
    return made


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


def write_header(path, shapes, **metadata):
    """A checkpoint in half precision that takes no room: all its values are holes in the file."""
    entries, end = {"__metadata__": metadata}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * torch.Size(shape).numel()
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    header = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(file.tell() + end)
    return path


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
    tokenizer = write_tokenizer(opened.source, "tokenizer", tmp_path)
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
