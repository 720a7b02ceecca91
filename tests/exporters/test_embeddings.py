"""A word of textual inversion, added at export or at load: the same picture, which is diffusers' own."""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from steering import SAMPLER, SEED, STEPS, assert_same, with_sampler

import edgediff

PROMPT, SIZE = "a photo of <owl>", (24, 16)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")


@pytest.fixture
def owl(sd1, tmp_path):
    """The file of a word of two vectors."""
    table = diffusers.StableDiffusionPipeline.from_pretrained(sd1, safety_checker=None).text_encoder
    width = table.get_input_embeddings().weight.shape[1]
    vectors = torch.randn((2, width), generator=torch.Generator().manual_seed(1))
    save_file({"<owl>": vectors}, tmp_path / "owl.safetensors")
    return tmp_path / "owl.safetensors"


def test_at_export_and_at_load_it_draws_what_diffusers_draws(sd1, report, owl, tmp_path):
    parts = diffusers.StableDiffusionPipeline.from_pretrained(sd1, safety_checker=None).components
    theirs = diffusers.StableDiffusionPipeline(**with_sampler(parts), requires_safety_checker=False)
    theirs.load_textual_inversion(str(owl), token="<owl>")  # noqa: S106 - no password
    theirs.set_progress_bar_config(disable=True)
    latents = theirs(
        prompt=PROMPT,
        width=SIZE[0],
        height=SIZE[1],
        num_inference_steps=STEPS,
        guidance_scale=4.0,
        generator=torch.Generator("cpu").manual_seed(SEED),
        output_type="latent",
    ).images
    with torch.no_grad():
        decoded = theirs.vae.decode(latents / theirs.vae.config.scaling_factor).sample
    expected = latents.numpy(), theirs.image_processor.postprocess(decoded, output_type="pil")
    common = {"seed": SEED, "steps": STEPS, **SAMPLER, "guidance": 4.0, "width": SIZE[0], "height": SIZE[1]}
    edgediff.export(sd1, tmp_path / "bundle", embeddings=[owl])
    with edgediff.load(tmp_path / "bundle") as fused, edgediff.load(report.path, embeddings=[owl]) as loaded:
        at_export, at_load = fused(PROMPT, **common), loaded(PROMPT, **common)
        without = fused(PROMPT.replace("<owl>", "owl"), **common)
    np.testing.assert_array_equal(at_export.latents, at_load.latents)
    assert_same(at_load, expected, "onnxruntime")
    assert np.abs(without.latents - at_load.latents).max() > 0.01 * np.abs(at_load.latents).max()


def test_a_lora_of_the_table_changes_the_words_that_were_there(sd1, report, owl, tmp_path):
    """Beside a new word it was lost at load, and mixed up what stood behind it at export."""
    layer = "text_encoder.text_model.embeddings.token_embedding"
    tensors = load_file(sd1 / "text_encoder" / "model.safetensors")
    rows, width = next(one.shape for name, one in tensors.items() if name.endswith("token_embedding.weight"))
    pieces = {"A": torch.randn((1, width), generator=torch.Generator().manual_seed(2)), "B": torch.ones((rows, 1))}
    lora = tmp_path / "table.safetensors"
    save_file({f"{layer}.lora_{piece}.weight": tensor for piece, tensor in pieces.items()}, lora)
    added = {"loras": [lora], "embeddings": [owl]}
    edgediff.export(sd1, tmp_path / "bundle", **added)
    common = {"seed": SEED, "steps": 2, "guidance": 1.0, "width": SIZE[0], "height": SIZE[1]}
    with edgediff.load(tmp_path / "bundle") as fused, edgediff.load(report.path, **added) as loaded:
        at_export, at_load = fused(PROMPT, **common), loaded(PROMPT, **common)
        loaded.set_loras(None)
        without = loaded(PROMPT, **common)
    np.testing.assert_allclose(at_export.latents, at_load.latents, atol=1e-5)
    assert np.abs(without.latents - at_load.latents).max() > 1e-3
