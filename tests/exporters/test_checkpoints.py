"""Lone checkpoints of Stable Diffusion XL, Stable Diffusion 3 and FLUX.1: each tensor as the directory has it.

Small models are laid out as the published checkpoints are. At the published models' shapes files full of holes are
read, and names and values are compared with what diffusers' own conversion makes of them.
"""

from __future__ import annotations

import runpy
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_flux_transformer_checkpoint_to_diffusers,
    convert_sd3_transformer_checkpoint_to_diffusers,
)
from safetensors.torch import load_file, save_file

from edgediff_exporters.families import plans_of
from edgediff_exporters.opening import UntoldStepsWarning, open_model
from edgediff_exporters.sources import open_source
from edgediff_exporters.sources.layouts import described_by
from edgediff_exporters.sources.originals import FORMS, KNOWN
from edgediff_exporters.tokenizers import write_tokenizer
from edgediff_exporters.tracing import empty_module
from edgediff_runtimes.errors import SourceError

NAMES = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("original_names.py"))))
UNET = NAMES.UNET
original_unet, original_vae, transformer = NAMES.original_unet, NAMES.original_vae, NAMES.transformer
prefixed, with_wrapper = NAMES.prefixed, NAMES.with_wrapper
LAYOUTS = {layout.name: layout for layout in KNOWN}
FAMILIES = {"sdxl": "stable-diffusion-xl", "flux": "flux", "sd3": "stable-diffusion-3"}
T5 = "text_encoders.t5xxl.transformer."


def family_of(layout):
    return FAMILIES[layout.partition("-")[0].partition(".")[0]]


def weights_of(folder):
    return load_file(next(iter(sorted(folder.glob("*.safetensors")))))


def assert_same(source, folder, origins):
    for origin in origins:
        expected, found = weights_of(folder / origin), source.weights(origin).tensors
        renamed = {name.removeprefix("text_model."): tensor for name, tensor in expected.items()}
        for name, tensor in {k.removeprefix("text_model."): v for k, v in found.items()}.items():
            assert torch.equal(tensor.reshape(-1), renamed.pop(name).reshape(-1)), (origin, name)
        assert not renamed
    assert source.unread == ()


def test_stable_diffusion_xl_value_by_value(small, tmp_path):
    folder = small("stable_diffusion_xl")
    tensors = {
        **original_unet(weights_of(folder / "unet"), 1, (1,)),
        **original_vae(weights_of(folder / "vae"), 2),
        **prefixed("conditioner.embedders.0.transformer.", with_wrapper(weights_of(folder / "text_encoder"))),
        **NAMES.original_open_clip(weights_of(folder / "text_encoder_2"), "conditioner.embedders.1.model."),
    }
    save_file(tensors, tmp_path / "xl.safetensors")
    opened = open_model(tmp_path / "xl.safetensors", config=folder)
    assert_same(opened.source, folder, ("unet", "vae", "text_encoder", "text_encoder_2"))
    assert [plan.role for plan in opened.plans] == [plan.role for plan in open_model(folder, config=None).plans]


@pytest.mark.parametrize("prefix", [UNET, ""], ids=["among others", "alone"])
def test_flux_value_by_value(small, tmp_path, prefix):
    folder = small("flux", variant="-dev")
    tensors = prefixed(prefix, transformer("flux", weights_of(folder / "transformer"), 1))
    others = {}
    if prefix:
        tensors |= prefixed("vae.", original_vae(weights_of(folder / "vae"), 2, ""))
        tensors |= prefixed("text_encoders.clip_l.transformer.", with_wrapper(weights_of(folder / "text_encoder")))
        tensors |= prefixed(T5, weights_of(folder / "text_encoder_2"))
    else:
        save_file(original_vae(weights_of(folder / "vae"), 2, ""), tmp_path / "ae.safetensors")
        others = {"text_encoder": folder, "text_encoder_2": folder, "vae": tmp_path / "ae.safetensors"}
    save_file(tensors, tmp_path / "flux.safetensors")
    opened = open_model(tmp_path / "flux.safetensors", config=folder, components=others)
    assert_same(opened.source, folder, ("transformer", "vae", "text_encoder", "text_encoder_2"))


@pytest.mark.parametrize("variant", ["-3.5", "-without-t5"])
def test_stable_diffusion_3_value_by_value(small, tmp_path, variant):
    folder = small("stable_diffusion_3", variant=variant)
    tensors = {
        **prefixed(UNET, transformer("sd3", weights_of(folder / "transformer"), 2)),
        **original_vae(weights_of(folder / "vae"), 2),
        **prefixed("text_encoders.clip_l.transformer.", weights_of(folder / "text_encoder")),
        **prefixed("text_encoders.clip_g.transformer.", weights_of(folder / "text_encoder_2")),
    }
    origins = ["transformer", "vae", "text_encoder", "text_encoder_2"]
    if variant == "-3.5":
        tensors |= prefixed(T5, weights_of(folder / "text_encoder_3"))
        origins.append("text_encoder_3")
    save_file(tensors, tmp_path / "sd3.safetensors")
    opened = open_model(tmp_path / "sd3.safetensors", config=folder)
    assert_same(opened.source, folder, origins)


# As counted of the published models.
PARAMETERS = {
    ("sdxl", "unet"): 2_567_463_684,
    ("sdxl", "text_encoder_2"): 694_659_840,
    ("flux-dev", "transformer"): 11_901_408_320,
    ("flux-schnell", "transformer"): 11_891_178_560,
    ("sd3.5-large", "transformer"): 8_056_627_520,
}


def modules_of(layout):
    source = described_by(LAYOUTS[layout])
    plans = plans_of(family_of(layout), source)
    return {plan.origin: empty_module(plan, source.config(plan.origin)) for plan in plans}


@pytest.fixture(scope="module")
def published():
    """The modules of a published model, without memory."""
    made = {}

    def published(layout):
        if layout not in made:
            made[layout] = modules_of(layout)
        return made[layout]

    return published


def shapes_of(layout, modules):
    """A published checkpoint's tensors: all of Stable Diffusion XL's, of others the transformer."""
    states = {origin: module.state_dict() for origin, module in modules.items()}
    if family_of(layout) != "stable-diffusion-xl":
        kind = layout.partition("-")[0].partition(".")[0]
        return transformer(kind, states["transformer"], len(modules["transformer"].transformer_blocks))
    base = layout == "sdxl"
    tensors = original_unet(states["unet"], 2, (2,) if base else (0, 3)) | original_vae(states["vae"], 4)
    if base:
        tensors |= prefixed("conditioner.embedders.0.transformer.", with_wrapper(states["text_encoder"]))
    return tensors | NAMES.original_open_clip(states["text_encoder_2"], f"conditioner.embedders.{int(base)}.model.")


def write_holes(path, tensors, **metadata):
    return NAMES.write_header(path, {name: list(tensor.shape) for name, tensor in tensors.items()}, **metadata)


@pytest.mark.parametrize(("layout", "origin"), PARAMETERS)
def test_the_configs_that_are_shipped_make_the_published_models(published, layout, origin):
    found = sum(parameter.numel() for parameter in published(layout)[origin].parameters())
    assert found == PARAMETERS[layout, origin]


@pytest.mark.parametrize("layout", ["sdxl", "sdxl-refiner"])
def test_a_lone_checkpoint_of_stable_diffusion_xl_is_known_by_its_tensors(published, tmp_path, layout):
    path = tmp_path / "mine.safetensors"
    write_holes(path, shapes_of(layout, published(layout)) | {"denoiser.sigmas": torch.empty(1000)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = open_model(path, config=None)
    with pytest.warns(UntoldStepsWarning, match="does not tell whether it was distilled"):
        defaults = opened.recommended({})
    assert (defaults.width, defaults.height) == (1024, 1024)
    base = layout == "sdxl"
    assert opened.source.index["_class_name"] == f"StableDiffusionXL{'' if base else 'Img2Img'}Pipeline"
    assert [plan.role for plan in opened.plans] == [
        *(["text_encoder"] if base else []), "text_encoder_2", "unet", "vae_decoder", "vae_encoder"
    ]  # fmt: skip
    tokenizer = write_tokenizer(opened.source, "tokenizer_2", tmp_path, reader="text_encoder_2")
    assert (tokenizer.max_tokens, tokenizer.kind) == (77, "clip")
    assert '"pad_token": "!"' in (tmp_path / "tokenizer_2" / "tokenizer_config.json").read_text()


TRANSFORMERS = ("flux-dev", "flux-schnell", "sd3-medium", "sd3.5-medium", "sd3.5-large")


@pytest.mark.parametrize("layout", TRANSFORMERS)
def test_a_lone_transformer_is_known_and_what_it_lacks_is_asked_by_name(published, tmp_path, layout):
    path = write_holes(tmp_path / "mine.safetensors", shapes_of(layout, published(layout)))
    source = open_source(path)
    assert source.index["_class_name"] == described_by(LAYOUTS[layout]).index["_class_name"]
    assert source.config("transformer") == described_by(LAYOUTS[layout]).config("transformer")
    with pytest.raises(SourceError) as caught:
        open_model(path, config=None)
    if layout.startswith("flux"):
        lacking = "`text_encoder`, `text_encoder_2`, `vae`, `tokenizer_2`"
        assert '"text_encoder_2": "DIR"' in caught.value.hint
        assert "tokenizer" not in caught.value.hint.partition("}")[0]  # it comes with its text encoder
    else:
        lacking = "`text_encoder`, `text_encoder_2`, `vae`"  # and T5, which may be missing
    assert caught.value.sentence == f"`mine.safetensors` holds no {lacking}: expected them from elsewhere"


@pytest.mark.parametrize("layout", TRANSFORMERS)
def test_names_and_values_are_those_of_diffusers_conversion(published, layout):
    """Rows are split as at full size; one column each is enough to tell them apart."""
    module = published(layout)["transformer"]
    generator, narrow = torch.Generator().manual_seed(0), {}
    for name, tensor in shapes_of(layout, published(layout)).items():
        rows = tensor.shape[0]
        narrow[name] = torch.randn((rows, 1)[: min(tensor.ndim, 2)], generator=generator)
    flux = layout.startswith("flux")
    if not flux:  # whose width diffusers reads off
        narrow["pos_embed"] = narrow["pos_embed"][:1]
    theirs = (
        convert_flux_transformer_checkpoint_to_diffusers if flux else convert_sd3_transformer_checkpoint_to_diffusers
    )
    expected = theirs(dict(narrow))
    (original, _) = FORMS[family_of(layout)].parts["transformer"]
    found = original.convert(narrow, described_by(LAYOUTS[layout]).config("transformer"))
    assert found.keys() == expected.keys() == module.state_dict().keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    ours = {tensor.untyped_storage().data_ptr() for tensor in narrow.values()}
    copied = {name for name, tensor in found.items() if tensor.untyped_storage().data_ptr() not in ours}
    assert {name.rpartition(".")[0] for name in copied} <= {
        "norm_out.linear", f"transformer_blocks.{len(module.transformer_blocks) - 1}.norm1_context.linear"
    }  # fmt: skip


def test_flux_with_its_parts_from_files(published, small, tmp_path):
    states = {origin: module.state_dict() for origin, module in published("flux-dev").items()}
    files = {
        "text_encoder": with_wrapper(states["text_encoder"]),
        "text_encoder_2": {
            f"encoder.{name}" if name != "embed_tokens.weight" else "shared.weight": tensor
            for name, tensor in states["text_encoder_2"].items()
        },
        "vae": original_vae(states["vae"], 4, ""),
    }
    parts = {origin: write_holes(tmp_path / f"{origin}.safetensors", tensors) for origin, tensors in files.items()}
    path = write_holes(tmp_path / "flux.safetensors", shapes_of("flux-dev", published("flux-dev")))
    with pytest.raises(SourceError, match=r"`flux.safetensors` holds no `tokenizer_2`: expected it from elsewhere"):
        open_model(path, config=None, components=parts)
    tokenizer = small("flux", variant="-dev") / "tokenizer_2"
    opened = open_model(path, config=None, components={**parts, "tokenizer_2": tokenizer})
    assert opened.recommended({"steps": 28, "guidance": 3.5}).width == 1024
    assert opened.scheduler(steps=28)["use_dynamic_shifting"] is True
    assert opened.recipe.first.space.channels == 16
    assert opened.source.config("text_encoder_2")["d_model"] == 4096
    assert (
        write_tokenizer(opened.source, "tokenizer_2", tmp_path, reader="text_encoder_2").kind == "unigram"
    )  # and not CLIP's
    # A T5 without a config is known by its shape.
    of_stable_diffusion = described_by(LAYOUTS["sd3-medium"])
    assert described_by(LAYOUTS["flux-dev"]).config("text_encoder_2") == of_stable_diffusion.config("text_encoder_3")
    alone = write_holes(tmp_path / "sd3.safetensors", shapes_of("sd3-medium", published("sd3-medium")))
    parts |= {"text_encoder_3": parts.pop("text_encoder_2"), "text_encoder_2": parts["text_encoder"]}
    with pytest.raises(SourceError, match="holds no `tokenizer_3`"):
        open_model(alone, config=None, components=parts)


def test_the_tokenizer_beside_a_text_encoder_comes_with_it(small, tmp_path):
    folder = small("flux", variant="-dev")
    configs = shutil.copytree(folder, tmp_path / "configs", ignore=lambda _, names: {"tokenizer_2"} & {*names})
    save_file(transformer("flux", weights_of(folder / "transformer"), 1), tmp_path / "flux.safetensors")
    for place in (folder, folder / "text_encoder_2"):
        others = {"text_encoder": folder, "text_encoder_2": place, "vae": folder}
        opened = open_model(tmp_path / "flux.safetensors", config=configs, components=others)
        assert (
            opened.source.find("tokenizer_2/tokenizer_config.json") == folder / "tokenizer_2" / "tokenizer_config.json"
        )
        assert opened.source.index["tokenizer_2"] == ["transformers", "T5Tokenizer"]
    among = shutil.copytree(folder / "text_encoder_2", tmp_path / "t5")
    shutil.copytree(folder / "tokenizer_2", among, dirs_exist_ok=True)
    others["text_encoder_2"] = among
    opened = open_model(tmp_path / "flux.safetensors", config=configs, components=others)
    assert opened.source.find("tokenizer_2/tokenizer_config.json") == among / "tokenizer_config.json"


def test_others_of_the_families_are_not_taken_for_them(published, tmp_path):
    flux = shapes_of("flux-dev", published("flux-dev"))
    path = write_holes(tmp_path / "fill.safetensors", flux | {"img_in.weight": torch.empty(3072, 384)})
    with pytest.raises(SourceError, match="not those of a model whose configs are known"):
        open_source(path)
    xl = shapes_of("sdxl", published("sdxl"))
    write_holes(path, xl | {f"{UNET}input_blocks.0.0.weight": torch.empty(320, 9, 3, 3)})
    with pytest.raises(SourceError, match="not those of a model whose configs are known"):
        open_source(path)
    for mark, what in (("v_pred", "predicts v"), ("edm_mean", "noise levels of EDM")):
        with pytest.raises(SourceError, match=what):
            open_model(write_holes(path, xl | {mark: torch.empty(0)}), config=None)


def test_configs_of_a_family_whose_checkpoints_are_not_read(small, tmp_path):
    folder = small("dit")
    shutil.copyfile(next((folder / "transformer").glob("*.safetensors")), tmp_path / "x.safetensors")
    with pytest.raises(
        SourceError, match="a model of the family `dit`, whose checkpoints are not read: expected one of"
    ):
        open_source(tmp_path / "x.safetensors", config=folder)


def test_the_first_clip_of_stable_diffusion_3_is_not_projected(small, tmp_path):
    """As published it comes without a projection, which its config asks for."""
    folder = small("stable_diffusion_3", variant="-without-t5")
    clip = weights_of(folder / "text_encoder")
    del clip["text_projection.weight"]
    save_file(clip, tmp_path / "clip_l.safetensors")
    tensors = {
        **transformer("sd3", weights_of(folder / "transformer"), 2),
        **original_vae(weights_of(folder / "vae"), 2),
        **prefixed("text_encoders.clip_l.transformer.", clip),
        **prefixed("text_encoders.clip_g.transformer.", weights_of(folder / "text_encoder_2")),
    }
    save_file(tensors, tmp_path / "sd3.safetensors")
    for opened in (
        open_model(folder, config=None, components={"text_encoder": tmp_path / "clip_l.safetensors"}),
        open_model(tmp_path / "sd3.safetensors", config=folder),
    ):
        found = opened.source.weights("text_encoder").tensors
        assert torch.equal(found["text_projection.weight"], torch.eye(16))
        assert found.keys() - clip.keys() == {"text_projection.weight"}
    second = weights_of(folder / "text_encoder_2")  # which is
    del second["text_projection.weight"]
    save_file(second, tmp_path / "clip_g.safetensors")
    with pytest.raises(SourceError, match=r"`text_encoder_2` are not complete: expected .*`text_projection.weight`"):
        open_model(folder, config=None, components={"text_encoder_2": tmp_path / "clip_g.safetensors"})
