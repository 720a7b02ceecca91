"""What can be known to fail is known before the first graph is traced: classes, channels, tensors, the scheduler."""

from __future__ import annotations

import json
import shutil
import warnings
from types import SimpleNamespace

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler, VQModel
from safetensors.torch import load_file, save_file
from torch.nn.modules.module import register_module_parameter_registration_hook

from edgediff_exporters.families import ADMITTED, PLANS
from edgediff_exporters.leftovers import UnreadTensorsWarning
from edgediff_exporters.opening import OpenedModel, open_model
from edgediff_exporters.scheduler import bundle_scheduler
from edgediff_runtimes.errors import SettingError, SourceError
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import Graph, Tokens
from edgediff_runtimes.recipe.recipe import Space, Stage
from edgediff_runtimes.sampling import build_sampler

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def copy(sd1, tmp_path):
    """A copy of ``sd1`` to spoil."""
    return shutil.copytree(sd1, tmp_path / "model")


def change(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize(
    ("file", "fields", "sentence"),
    [
        ("unet/config.json", {"time_cond_proj_dim": "wide"}, "`model` cannot be exported: `unet/config.json.time_cond"),
        ("tokenizer/tokenizer_config.json", {"tokenizer_class": 5}, "the component `tokenizer` is of the class `5`"),
    ],
)
def test_no_manifest_and_no_bundle_is_blamed_for_a_source(copy, file, fields, sentence):
    change(copy / file, **fields)
    with pytest.raises(SourceError) as caught:
        open_model(copy, config=None)
    assert caught.value.sentence.startswith(sentence)
    assert "manifest" not in str(caught.value)
    assert caught.value.hint is None


def test_layers_are_not_made_by_the_thousand_where_the_weights_have_none(copy):
    """Two blocks of 250 layers took most of a minute before a tensor was found to be missing."""
    change(copy / "unet" / "config.json", layers_per_block=250)
    made = []
    counting = register_module_parameter_registration_hook(lambda *_: made.append(1))
    try:
        refused(copy, r"the config of `unet` makes more than [0-9,]+ parameters, .*: its weights have \d+ tensors")
    finally:
        counting.remove()
    assert len(made) < 3000


def change_tensors(path, changed):
    save_file(changed(load_file(path)), path)


def refused(folder, words):
    with pytest.raises(SourceError, match=words) as caught:
        open_model(folder, config=None)
    assert "\n" not in caught.value.sentence
    return caught.value


def test_a_model_as_diffusers_saves_it_is_taken_without_a_word(pipelines):
    for folder in pipelines.values():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert open_model(folder, config=None).plans


def test_every_family_says_what_it_takes():
    assert ADMITTED.keys() == PLANS.keys()


def test_another_autoencoder_is_refused_by_its_name(copy):
    shutil.rmtree(copy / "vae")
    VQModel(block_out_channels=(8,), norm_num_groups=4).save_pretrained(copy / "vae")
    refused(copy, "`vae` is of the class `VQModel`: expected AutoencoderKL or AutoencoderTiny")  # the config tells
    change(copy / "model_index.json", vae=["diffusers", "VQModel"])
    refused(copy, "`vae` is of the class `VQModel`: expected AutoencoderKL or AutoencoderTiny")  # the index tells


@pytest.mark.parametrize(
    ("component", "file", "fields", "got"),
    [
        ("text_encoder", "config.json", {"architectures": ["T5EncoderModel"]}, "T5EncoderModel"),
        ("text_encoder", "config.json", {"architectures": ["CLIPTextModelWithProjection"]}, "CLIPTextModelWithProj"),
        ("unet", "config.json", {"_class_name": "UNetFlatConditionModel"}, "UNetFlatConditionModel"),
        ("tokenizer", "tokenizer_config.json", {"tokenizer_class": "T5Tokenizer"}, "T5Tokenizer"),
    ],
)
def test_other_classes_are_refused_by_their_names(copy, component, file, fields, got):
    change(copy / component / file, **fields)
    refused(copy, f"the component `{component}` is of the class `{got}")


def test_a_component_that_nothing_reads_is_refused_and_a_safety_checker_is_not(copy):
    path = copy / "model_index.json"
    change(path, safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"], requires_safety_checker=True)
    change(path, feature_extractor=["transformers", "CLIPImageProcessor"], image_encoder=[None, None])
    open_model(copy, config=None)
    change(path, prior=["diffusers", "PriorTransformer"])
    refused(copy, r"has a component `prior` \(`PriorTransformer`\) that nothing here reads")


@pytest.mark.parametrize(("channels", "kind"), [(7, "an upscaler's"), (5, "depth-guided"), (6, "expected 4")])
def test_a_unet_with_other_channels_is_refused_as_what_it_is(copy, channels, kind):
    change(copy / "unet" / "config.json", in_channels=channels)
    refused(copy, rf"the U-Net takes {channels} channels and gives 4.*{kind}")


def test_channels_that_do_not_meet_are_refused(copy):
    change(copy / "unet" / "config.json", out_channels=8)
    refused(copy, "takes 4 channels and gives 8: expected 4")
    change(copy / "unet" / "config.json", out_channels=4, cross_attention_dim=24)
    refused(copy, "`cross_attention_dim` is 24: expected 16, `hidden_size` of its text")
    change(copy / "unet" / "config.json", cross_attention_dim=16)
    change(copy / "vae" / "config.json", out_channels=4)
    refused(copy, "the VAE's `out_channels` is 4: expected 3")


class XlConfigs:
    """The configs of Stable Diffusion XL's components, with some fields replaced."""

    def __init__(self, **unet):
        self.index = {"text_encoder": ["transformers", "CLIPTextModel"]}
        self.unet = {"in_channels": 4, "out_channels": 4, "cross_attention_dim": 2048, **unet}

    def config(self, name):
        sizes = {"text_encoder": 768, "text_encoder_2": 1280}
        return {"hidden_size": sizes[name]} if name in sizes else self.unet if name == "unet" else {}


def test_channels_of_two_text_encoders_meet_together():
    check = ADMITTED["stable-diffusion-xl"].check
    check(XlConfigs())
    check(XlConfigs(in_channels=9))
    with pytest.raises(SourceError, match=r"takes 7 channels and gives 4, as an upscaler's does: expected 4"):
        check(XlConfigs(in_channels=7))
    with pytest.raises(SourceError, match=r"`cross_attention_dim` is 1280: expected 768 \+ 1280"):
        check(XlConfigs(cross_attention_dim=1280))


def with_lora(tensors, down, up, *, base=""):
    """Beside every query's weight, or around it, a LoRA of rank 2."""
    made = dict(tensors)
    for name in [name for name in tensors if name.endswith("to_q.weight")]:
        stem = name.removesuffix("weight")
        made[f"{stem}{down}.weight"] = torch.ones(2, tensors[name].shape[1])
        made[f"{stem}{up}.weight"] = torch.ones(tensors[name].shape[0], 2)
        if base:
            made[f"{stem}{base}.weight"] = made.pop(name)
    assert len(made) > len(tensors)
    return made


@pytest.mark.parametrize(
    ("down", "up", "base"),
    [
        ("lora_layer.down", "lora_layer.up", ""),
        ("lora_A.default_0", "lora_B.default_0", "base_layer"),
        ("processor.to_q_lora.down", "processor.to_q_lora.up", ""),
    ],
    ids=["diffusers 0.20", "peft", "diffusers 0.14"],
)
def test_a_lora_that_is_not_merged_is_refused(copy, down, up, base):
    change_tensors(copy / UNET, lambda tensors: with_lora(tensors, down, up, base=base))
    error = refused(copy, "`unet` holds a LoRA that is not merged into the weights, which would be lost")
    assert "fuse_lora" in str(error.hint)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_ip.0.weight", "an IP-Adapter"),
        ("encoder_hid_proj.image_projection_layers.0.image_embeds.weight", "an IP-Adapter"),
        ("down_blocks.0.motion_modules.0.norm.weight", "a motion module"),
        ("controlnet_cond_embedding.conv_in.weight", "a ControlNet"),
    ],
)
def test_other_additions_are_refused_as_what_they_are(copy, name, what):
    change_tensors(copy / UNET, lambda tensors: {**tensors, name: torch.ones(1)})
    refused(copy, f"`unet` holds {what}, which would be lost: expected no tensors such as `{name}`")


def test_what_is_not_known_is_warned_of_and_what_is_known_is_not(copy):
    change_tensors(copy / "text_encoder/model.safetensors", lambda old: {**old, "logit_scale": torch.ones(1)})
    change_tensors(copy / UNET, lambda old: {**old, **{f"extra.{index}": torch.ones(1) for index in range(5)}})
    words = r"`unet` holds tensors that no part of the model reads.*: `extra.0`, `extra.1`, `extra.2` and 2 more"
    with pytest.warns(UnreadTensorsWarning, match=words) as caught:
        open_model(copy, config=None)
    assert len(caught) == 1


def test_minus_infinity_in_a_scheduler_is_read_and_left_out(copy):
    scheduler = DPMSolverMultistepScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    scheduler.save_pretrained(copy / "scheduler")
    path = copy / "scheduler" / "scheduler_config.json"
    assert "-Infinity" in path.read_text()
    written = open_model(copy, config=None).scheduler(steps=5)
    # Standard JSON, which diffusers reads as what it wrote.
    path.write_text(json.dumps(written, allow_nan=False))
    again = DPMSolverMultistepScheduler.from_pretrained(copy / "scheduler")
    assert set(scheduler.config) - set(written) == {"_use_default_values", "lambda_min_clipped"}
    assert all(again.config[field] == value for field, value in scheduler.config.items() if field[0] != "_")
    assert (
        build_sampler(written, steps=5).timesteps.tolist()
        == build_sampler(dict(scheduler.config), 5).timesteps.tolist()
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"_class_name": "MyScheduler"}, "the scheduler of `model` cannot be used: `_class_name` is 'MyScheduler'"),
        ({"beta_end": float("inf")}, "`beta_end` is inf"),
        ({"beta_schedule": "squared"}, "`beta_schedule` is 'squared'"),
        ({"_class_name": None}, "`_class_name` is None"),
    ],
)
def test_a_scheduler_that_cannot_be_used_is_refused_before_the_work(copy, fields, words):
    change(copy / "scheduler" / "scheduler_config.json", **fields)
    with pytest.raises(SourceError, match=words):
        open_model(copy, config=None).scheduler(steps=20)


def test_a_schedule_that_is_shifted_by_the_size_is_taken_of_a_family_that_knows_the_shift():
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}
    assert bundle_scheduler(config, steps=4, name="model", shift="linear") == config
    with pytest.raises(SourceError, match="the scheduler of `model` cannot be used: `mu` is None"):
        bundle_scheduler(config, steps=4, name="model", shift=None)


@pytest.mark.parametrize(
    ("shift", "kind", "kept"),
    [
        ("linear", "exponential", False),
        ("linear", "linear", True),
        ("flux2", "exponential", True),
    ],
)
def test_a_shift_by_the_size_alone_is_not_taken_for_that_of_flux2(shift, kind, kept):
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True, "time_shift_type": kind}
    found = bundle_scheduler(config, steps=4, name="model", shift=shift)
    assert ("time_shift_type" in found) == kept


@pytest.fixture
def turbo(copy):
    """SD-Turbo's scheduler, in a folder whose name tells nothing."""
    shutil.rmtree(copy / "scheduler")
    EulerDiscreteScheduler(timestep_spacing="trailing").save_pretrained(copy / "scheduler")
    return copy.rename(copy.with_name("b261bac6fd2cf515557d5d0707481eafa0485ec2"))


def test_configs_that_do_not_tell_the_steps_ask_for_them(turbo):
    opened = open_model(turbo, config=None)
    for given in ({}, {"steps": 1}, {"guidance": 1.0}):
        with pytest.raises(SourceError, match=r"do not tell how many steps it takes.*trailing") as caught:
            opened.recommended(given)
        assert 'defaults={"steps": 1, "guidance": 1}` for SD-Turbo' in str(caught.value.hint)
    told = opened.recommended({"steps": 1, "guidance": 1})
    assert (told.steps, told.guidance, told.width) == (1, 1.0, 16)
    with pytest.raises(SettingError, match="'stepz'"):
        opened.recommended({"stepz": 1})


@pytest.mark.parametrize(
    "fields", [{"prediction_type": "v_prediction"}, {"rescale_betas_zero_snr": True}, {"timestep_spacing": "leading"}]
)
def test_a_folders_name_tells_nothing(turbo, fields):
    change(turbo / "scheduler" / "scheduler_config.json", **fields)
    named = turbo.rename(turbo.with_name("my-turbo"))
    defaults = open_model(named, config=None).recommended({})
    assert (defaults.steps, defaults.guidance) == (20, 7.5)


def test_what_reads_a_tokenizers_ids_is_asked_of_the_recipe():
    """And not told by its name."""
    given = (
        Tokens("words", "ids"),
        Tokens("signs", "ids_2"),
        Graph("language_model", {"input_ids": "ids_2"}, {"states": "text"}),
        Graph("clip", {"input_ids": "ids"}, {"states": "pooled"}),
    )
    stage = Stage(name="base", space=Space(4), given=given, tasks={}, network=(), result=())
    plans = tuple(SimpleNamespace(role=role, origin=f"{role}_of_source") for role in ("clip", "language_model"))
    opened = OpenedModel(source=None, family=None, recipe=Recipe((stage,)), defaults=None, plans=plans)
    assert [opened.reader(name) for name in ("words", "signs")] == ["clip_of_source", "language_model_of_source"]
