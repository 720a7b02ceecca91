"""Directories as optimum-onnx and optimum-intel lay them out have the recipe of the model they were exported from."""

from __future__ import annotations

import json

import pytest

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.families import Configs, family_of
from edgediff_runtimes.families.latents import INPAINTING, TASKS

CLIP = {"max_position_embeddings": 77, "num_hidden_layers": 12, "projection_dim": 768, "hidden_size": 768}
SECOND_CLIP = CLIP | {"num_hidden_layers": 32, "projection_dim": 1280, "hidden_size": 1280}
T5 = {"d_model": 4096, "num_layers": 24}
VAE = {"block_out_channels": [128, 256, 512, 512], "latent_channels": 16, "scaling_factor": 1.5, "shift_factor": 0.06}
XL_UNET = {
    "sample_size": 128,
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "time_cond_proj_dim": None,
}
SD3 = {"joint_attention_dim": 4096, "patch_size": 2, "pos_embed_max_size": 192, "sample_size": 128, "num_layers": 24}
FLUX = {"axes_dims_rope": [16, 56, 56], "joint_attention_dim": 4096}
FLOW = "FlowMatchEulerDiscreteScheduler"
# class -> its scheduler, its components, the kinds of its tokenizers in order
MODELS = {
    "StableDiffusionXLPipeline": (
        "EulerDiscreteScheduler",
        {"text_encoder": CLIP, "text_encoder_2": SECOND_CLIP, "unet": XL_UNET, "vae": VAE | {"latent_channels": 4}},
        ("clip", "clip"),
    ),
    "StableDiffusion3Pipeline": (
        FLOW,
        {"text_encoder": CLIP, "text_encoder_2": SECOND_CLIP, "text_encoder_3": T5, "transformer": SD3, "vae": VAE},
        ("clip", "clip", "unigram"),
    ),
    "StableDiffusion3Pipeline without T5": (
        FLOW,
        {"text_encoder": CLIP, "text_encoder_2": SECOND_CLIP, "transformer": SD3, "vae": VAE},
        ("clip", "clip"),
    ),
    "FluxPipeline": (
        FLOW,
        {"text_encoder": CLIP, "text_encoder_2": T5, "transformer": FLUX | {"guidance_embeds": True}, "vae": VAE},
        ("clip", "unigram"),
    ),
    "FluxPipeline of schnell": (
        FLOW,
        {"text_encoder": CLIP, "text_encoder_2": T5, "transformer": FLUX | {"guidance_embeds": False}, "vae": VAE},
        ("clip", "unigram"),
    ),
}
TOKENIZERS = {
    "clip": {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77},
    "unigram": {"tokenizer_class": "T5TokenizerFast"},
}
GRAPHS = {
    "ORT": ("onnx", ("model.onnx", "model.onnx_data")),
    "OV": ("openvino", ("openvino_model.xml", "openvino_model.bin")),
}


@pytest.fixture(params=MODELS)
def model(request):
    return request.param.split()[0], *MODELS[request.param]


@pytest.fixture
def lay_out(tmp_path):
    """Writes a directory with empty graphs; the VAE is one folder for each of its two halves."""

    def write(place, values):
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(values), encoding="utf-8")

    def lay_out(index, scheduler, components, kinds, graphs):
        write(tmp_path / "model_index.json", index)
        write(tmp_path / "scheduler" / "scheduler_config.json", scheduler)
        halves = {name: config for name, config in components.items() if name != "vae"}
        for name, config in (halves | dict.fromkeys(("vae_decoder", "vae_encoder"), components["vae"])).items():
            write(tmp_path / name / "config.json", config)
            for graph in graphs:
                (tmp_path / name / graph).write_bytes(b"graph")
        for number, kind in enumerate(kinds, 1):
            write(
                tmp_path / ("tokenizer" if number == 1 else f"tokenizer_{number}") / "tokenizer_config.json",
                TOKENIZERS[kind],
            )
        return tmp_path

    return lay_out


@pytest.mark.parametrize("prefix", ["", "ORT", "OV"])
@pytest.mark.parametrize("exporter", GRAPHS)
def test_the_recipe_is_that_of_the_model(lay_out, model, exporter, prefix):
    name, scheduler, components, kinds = model
    format_, graphs = GRAPHS[exporter]
    index, scheduler = {"_class_name": f"{prefix}{name}", "text_encoder_3": [None, None]}, {"_class_name": scheduler}
    bundle = Bundle.open(lay_out(index, scheduler, components, kinds, graphs))
    manifest = bundle.manifest
    family, configs = family_of(name), Configs(index, components, scheduler)
    assert bundle.derived
    assert (manifest.family, manifest.defaults) == (family.name, family.defaults(configs))
    assert manifest.recipe == family.recipe(configs)
    assert manifest.tasks == (*TASKS, *INPAINTING)
    assert manifest.components.keys() == {*components, "vae_decoder", "vae_encoder"} - {"vae"}
    for role, component in manifest.components.items():
        assert component.format == format_
        assert [file.path for file in component.files] == [f"{role}/{graph}" for graph in graphs]
    assert tuple(tokenizer.kind for tokenizer in manifest.tokenizers) == kinds
    assert [tokenizer.max_tokens for tokenizer in manifest.tokenizers[:1]] == [77]
