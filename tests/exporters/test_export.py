from __future__ import annotations

import json

import numpy as np
import onnxruntime as ort
import pytest
import torch
from diffusers import AutoencoderKL, LatentConsistencyModelImg2ImgPipeline, UNet2DConditionModel
from PIL import Image

import edgediff
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.families.latents import INPAINTING, TASKS
from edgediff_runtimes.recipe.declarations import Affine


def session(bundle, role):
    return ort.InferenceSession(str(bundle / role / "model.onnx"), providers=["CPUExecutionProvider"])


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_bundle_opens_and_every_hash_holds(report):
    bundle = Bundle.open(report.path)
    bundle.check_hashes()
    assert not bundle.derived
    assert bundle.manifest == report.manifest


def test_it_has_optimums_layout_and_names(report):
    inputs = {role: [i.name for i in part.inputs] for role, part in report.manifest.components.items()}
    outputs = {role: [o.name for o in part.outputs] for role, part in report.manifest.components.items()}
    assert inputs == {
        "text_encoder": ["input_ids"],
        "unet": ["sample", "timestep", "encoder_hidden_states"],
        "vae_decoder": ["latent_sample"],
        "vae_encoder": ["sample"],
    }
    assert outputs == {
        "text_encoder": ["last_hidden_state", "pooler_output", "last_hidden_state.2"],
        "unet": ["out_sample"],
        "vae_decoder": ["sample"],
        "vae_encoder": ["latent_parameters"],
    }
    for role in inputs:
        assert json.loads((report.path / role / "config.json").read_text())
    assert {path.name for path in report.path.iterdir()} == {
        "edgediff.json", "model_index.json", "scheduler", "tokenizer", *inputs
    }  # fmt: skip
    assert (report.path / "tokenizer" / "tokenizer.json").is_file()


def test_axes_are_dynamic_and_have_names(report):
    unet = report.manifest.components["unet"]
    assert unet.inputs[0].shape == ("batch", 4, "height", "width")
    assert unet.inputs[1].shape == (1,)
    assert unet.inputs[2].shape == ("batch", "sequence", 16)
    assert unet.outputs[0].shape == ("batch", 4, "height", "width")
    assert report.manifest.components["vae_decoder"].outputs[0].shape == ("batch", 3, "2*height", "2*width")


def test_every_graph_was_checked_at_two_shapes_that_differ_in_every_axis(report):
    for component in report.manifest.components.values():
        first, second = component.checks
        assert 0 < first.error < 1e-5
        assert 0 < second.error < 1e-5
        for item in component.inputs:
            axes = [index for index, axis in enumerate(item.shape) if isinstance(axis, str)]
            assert all(first.shapes[item.name][axis] != second.shapes[item.name][axis] for axis in axes)


def test_the_unet_runs_at_sizes_it_never_saw(sd1, report):
    unet = UNet2DConditionModel.from_pretrained(sd1 / "unet")
    graph = session(report.path, "unet")
    for batch, height, width, length in ((1, 8, 8, 24), (4, 11, 13, 1), (2, 7, 32, 3)):
        sample, text = normal(batch, 4, height, width), normal(batch, length, 16)
        with torch.no_grad():
            expected = unet(sample, torch.tensor([501.0]), text, return_dict=False)[0].numpy()
        feeds = {"sample": sample.numpy(), "timestep": np.float32([501]), "encoder_hidden_states": text.numpy()}
        np.testing.assert_allclose(graph.run(None, feeds)[0], expected, atol=1e-5)


def test_the_vae_gives_moments_and_takes_latents_as_they_are(sd1, report):
    vae = AutoencoderKL.from_pretrained(sd1 / "vae")
    picture, latent = normal(1, 3, 16, 32), normal(1, 4, 8, 16)
    with torch.no_grad():
        moments = vae.encode(picture).latent_dist.parameters.numpy()
        decoded = vae.decode(latent, return_dict=False)[0].numpy()
    (got,) = session(report.path, "vae_encoder").run(None, {"sample": picture.numpy()})
    np.testing.assert_allclose(got, moments, atol=1e-5)
    (got,) = session(report.path, "vae_decoder").run(None, {"latent_sample": latent.numpy()})
    np.testing.assert_allclose(got, decoded, atol=1e-5)


def draws_from_a_picture_as_diffusers(source, bundle):
    """The pipeline that the index names makes its schedule for the strength, and runs all of it."""
    theirs = LatentConsistencyModelImg2ImgPipeline.from_pretrained(
        source, safety_checker=None, feature_extractor=None, image_encoder=None, requires_safety_checker=False
    )
    theirs.set_progress_bar_config(disable=True)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8))
    common = {"num_inference_steps": 4, "guidance_scale": 3.0, "strength": 0.6, "output_type": "latent"}
    latents = theirs("a fox", image=picture, generator=torch.Generator().manual_seed(5), **common).images.numpy()
    with edgediff.load(bundle) as pipeline:
        told = []
        result = pipeline(
            "a fox",
            image=picture,
            strength=0.6,
            steps=4,
            guidance=3.0,
            seed=5,
            on_step=lambda step: told.append(step.timestep),
        )
    assert told == theirs.scheduler.timesteps.tolist() == [599, 459, 299, 159]
    assert np.abs(result.latents - latents).max() <= 1e-3 * np.abs(latents).max()


@pytest.mark.parametrize("kind", ["lcm", pytest.param("sd2", marks=(pytest.mark.slow, pytest.mark.nightly))])
def test_other_kinds_of_the_family(pipelines, exported, kind):
    made = exported(kind)
    manifest = made.manifest
    assert manifest.recipe.first.schedule.strength == ("whole" if kind == "lcm" else "tail")
    assert all(check.error < 1e-5 for part in manifest.components.values() for check in part.checks)
    if kind == "lcm":
        assert [i.name for i in manifest.components["unet"].inputs][-1] == "timestep_cond"
        assert manifest.components["unet"].inputs[-1].shape == ("batch", 12)
        assert manifest.defaults.steps == 4
        draws_from_a_picture_as_diffusers(pipelines[kind], made.path)
    else:
        assert manifest.scheduler["prediction_type"] == "v_prediction"


def test_the_manifest_says_what_a_run_needs(sd1, report):
    manifest = report.manifest
    assert manifest.family == "stable-diffusion"
    assert manifest.tasks == (*TASKS, *INPAINTING)
    stage = manifest.recipe.first
    assert (stage.space.channels, stage.space.factor) == (4, 2)
    assert stage.result[0] == Affine("x", "latents", over=0.18215)
    assert np.array(stage.space.preview).shape == (5, 3)
    assert (manifest.tokenizers[0].path, manifest.tokenizers[0].max_tokens) == ("tokenizer", 20)
    assert (manifest.defaults.width, manifest.defaults.height) == (16, 16)
    assert manifest.scheduler == json.loads((sd1 / "scheduler" / "scheduler_config.json").read_text())


def test_provenance_names_the_source_and_no_path(sd1, report):
    provenance = report.manifest.provenance
    assert provenance.source == "sd1"
    assert provenance.command == "edgediff export sd1 sd1 --precision fp32"
    assert provenance.tools["torch"] == torch.__version__
    assert len(provenance.source_sha256) == 64
    assert str(sd1.parent) not in (report.path / "edgediff.json").read_text()


def test_progress_is_told_for_every_component_and_ends(report, events):
    for role in report.manifest.components:
        for stage in ("trace", "write", "check"):
            steps = [event for event in events if (event.component, event.stage) == (role, stage)]
            assert steps[-1].done == steps[-1].total
            assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_graphs_carry_no_traces_of_the_machine(report):
    for role in report.manifest.components:
        content = (report.path / role / "model.onnx").read_bytes()
        assert b"site-packages" not in content
        assert b"stack_trace" not in content
