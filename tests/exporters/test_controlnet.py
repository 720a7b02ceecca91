"""A bundle grows by ControlNets: it draws what diffusers draws with them, and without a picture what it drew before.

Bounds: final latents 1e-3 of their largest value, pictures 2/255; OpenVINO in f32 5e-3 and 4/255.
"""

from __future__ import annotations

import contextlib
import json
import shutil

import diffusers
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from steering import BOUNDS, PROMPTS, SAMPLER, SEED, STEPS, assert_same, picture, with_sampler, write_controlnet

import edgediff
from edgediff.cli import group
from edgediff_exporters import TrialOptions, adding
from edgediff_exporters.modules.controlnet import openings
from edgediff_exporters.openings import Opening, Skips
from edgediff_exporters.passes.open_graph import open_graph
from edgediff_exporters.quantization import quantiser_for
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import BundleNotFoundError, SettingError, SourceError, TargetError
from edgediff_runtimes.families.control import taken_residuals

SKIPS = 4
COMMON = {"seed": SEED, "steps": STEPS, **SAMPLER}
SIZES = [(32, 24), (18, 26)]  # the second gives latents of odd sides

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")


@pytest.fixture(scope="session")
def controlnets(sd1, shared):
    """Two ControlNets for the tiny Stable Diffusion."""

    def make(folder):
        for seed in (1, 2):
            write_controlnet(folder / f"edges-{seed}", sd1 / "unet", seed)

    folder = shared("controlnets", make)
    return [folder / f"edges-{seed}" for seed in (1, 2)]


@pytest.fixture(scope="session")
def grown(controlnets, report, shared):
    """``grown[n]``: the tiny bundle with so many ControlNets; not to be written to."""

    def make(folder):
        for count in (1, 2):
            before = report.path if count == 1 else folder / "1"
            shutil.copytree(before, folder / str(count))
            edgediff.add(controlnets[count - 1], folder / str(count))

    folder = shared("grown", make)
    return {count: folder / str(count) for count in (1, 2)}


@pytest.fixture(scope="session")
def theirs(sd1, controlnets):
    """``theirs(count, image=...)``: diffusers' pipeline with so many ControlNets."""
    parts = diffusers.StableDiffusionPipeline.from_pretrained(sd1, safety_checker=None).components
    modules = [diffusers.ControlNetModel.from_pretrained(one) for one in controlnets]

    def build(count, *, image=None):
        kind = {
            False: diffusers.StableDiffusionControlNetPipeline,
            True: diffusers.StableDiffusionControlNetImg2ImgPipeline,
        }[image is not None]
        wanted = modules[0] if count == 1 else modules
        pipeline = kind(**with_sampler(parts), controlnet=wanted, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    return build


def drawn(pipeline, controls, *, size, guidance, image=None, batch=2, **options):
    """Final latents and pictures as diffusers has them."""
    resized = [control.resize(size, Image.Resampling.LANCZOS) for control in controls]
    given = resized[0] if len(resized) == 1 else resized
    place = {"width": size[0], "height": size[1]}
    if image is None:
        wanted = {"image": given, **place}
    else:
        wanted = {"image": image.resize(size), "control_image": given, "strength": 0.7, **place}
    latents = pipeline(
        prompt=PROMPTS[:batch],
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(SEED + i) for i in range(batch)],
        output_type="latent",
        **wanted,
        **options,
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")


ASKED = [
    # (guidance, whether from a picture, what is asked for the control picture, the same in diffusers' words)
    (1.0, False, {}, {}),
    (5.0, False, {"control_scale": 0.6}, {"controlnet_conditioning_scale": 0.6}),
    (
        5.0,
        True,
        {"control_scale": 1.3, "control_start": 0.2, "control_end": 0.7},
        {"controlnet_conditioning_scale": 1.3, "control_guidance_start": 0.2, "control_guidance_end": 0.7},
    ),
]


@pytest.mark.parametrize("engine", BOUNDS)
@pytest.mark.parametrize(("guidance", "from_picture", "ours", "words"), ASKED, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_same_seed_same_picture(grown, theirs, engine, guidance, from_picture, ours, words, size):
    image = picture(turn=1) if from_picture else None
    start = {} if image is None else {"image": image.resize(size), "strength": 0.7}
    expected = drawn(theirs(1, image=image), [picture()], size=size, guidance=guidance, image=image, **words)
    with edgediff.load(grown[1], engine=engine) as pipeline:
        result = pipeline(
            PROMPTS,
            **COMMON,
            guidance=guidance,
            width=size[0],
            height=size[1],
            control_image=picture(),
            **start,
            **ours,
        )
        without = pipeline(PROMPTS, **COMMON, guidance=guidance, width=size[0], height=size[1], **start)
    assert_same(result, expected, engine)
    assert np.abs(result.latents - without.latents).max() > 0.01 * np.abs(without.latents).max()  # it does something


def test_beside_a_mask(grown, sd1, controlnets):
    """As in diffusers, which draws noise first and cuts, resizes and keeps as without a ControlNet."""
    size, image = SIZES[0], picture(turn=1).resize(SIZES[0])
    mask = Image.new("L", size, "black")
    mask.paste("white", (8, 6, 26, 20))
    parts = diffusers.StableDiffusionPipeline.from_pretrained(sd1, safety_checker=None).components
    pipeline = diffusers.StableDiffusionControlNetInpaintPipeline(
        **with_sampler(parts),
        controlnet=diffusers.ControlNetModel.from_pretrained(controlnets[0]),
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    latents = pipeline(
        prompt=PROMPTS[0],
        image=image,
        mask_image=mask,
        control_image=picture().resize(size, Image.Resampling.LANCZOS),
        width=size[0],
        height=size[1],
        strength=0.8,
        num_inference_steps=STEPS,
        guidance_scale=4.0,
        controlnet_conditioning_scale=0.7,
        generator=torch.Generator("cpu").manual_seed(SEED),
        output_type="latent",
    ).images.numpy()
    given = {"image": image, "mask": mask, "strength": 0.8, "guidance": 4.0, "width": size[0], "height": size[1]}
    with edgediff.load(grown[1]) as ours:
        result = ours(PROMPTS[0], **COMMON, **given, control_image=picture(), control_scale=0.7)
        without = ours(PROMPTS[0], **COMMON, **given)
    assert np.abs(result.latents - latents).max() <= BOUNDS["onnxruntime"][0] * np.abs(latents).max()
    assert np.abs(result.latents - without.latents).max() > 0.01 * np.abs(latents).max()


def test_of_several_the_sum_counts(grown, theirs):
    controls, size = [picture(), picture(turn=1)], SIZES[0]
    words = {
        "controlnet_conditioning_scale": [0.8, 0.5],
        "control_guidance_start": [0.0, 0.4],
        "control_guidance_end": [0.6, 1.0],
    }
    expected = drawn(theirs(2), controls, size=size, guidance=4.0, **words)
    common = {**COMMON, "guidance": 4.0, "width": size[0], "height": size[1]}
    with edgediff.load(grown[2]) as pipeline:
        result = pipeline(
            PROMPTS,
            **common,
            control_image=controls,
            control_scale=[0.8, 0.5],
            control_start=[0, 0.4],
            control_end=[0.6, 1],
        )
        second = pipeline(PROMPTS, **common, control_image=[None, controls[1]], control_end=0.5)
        left_out = pipeline(PROMPTS, **common, control_image=controls, control_scale=[0, 1], control_end=0.5)
    assert_same(result, expected, "onnxruntime")
    np.testing.assert_array_equal(second.latents, left_out.latents)
    assert "controlnet" not in second.computed  # it was not even loaded


def test_without_a_picture_it_draws_bit_for_bit_what_it_drew(grown, report):
    common = {**COMMON, "guidance": 5.0, "width": 18, "height": 26}
    with edgediff.load(report.path) as pipeline:
        before = pipeline(PROMPTS, **common)
    for path in grown.values():
        with edgediff.load(path) as pipeline:
            after = pipeline(PROMPTS, **common)
            outside = pipeline("a cat", **common, control_image=[picture()] * (1 + ("2" in path.name)), control_end=0.1)
            alone = pipeline("a cat", **common)
        np.testing.assert_array_equal(before.latents, after.latents)
        assert [image.tobytes() for image in before.images] == [image.tobytes() for image in after.images]
        assert not any(role.startswith("controlnet") for role in after.computed)
        np.testing.assert_array_equal(outside.latents, alone.latents)


def test_without_a_size_the_picture_is_as_large_as_the_one_that_steers(grown):
    with edgediff.load(grown[1]) as pipeline:
        result = pipeline("a cat", seed=1, steps=1, control_image=picture(31, 22))
    assert result.images[0].size == (30, 22)


PRECISIONS = {"onnx": ("fp32", "fp16", "w16", "w8", "w4", "int8"), "openvino": ("fp32", "w8", "int8")}
BY_DAY = (("onnx", "fp32"), ("onnx", "w8"), ("openvino", "int8"))
CASES = [
    pytest.param(format_, one, marks=() if (format_, one) in BY_DAY else (pytest.mark.slow, pytest.mark.nightly))
    for format_, precisions in PRECISIONS.items()
    for one in precisions
]


@pytest.mark.parametrize(("format_", "precision"), CASES)
def test_the_network_keeps_its_weights_and_its_answers(exported, tmp_path, format_, precision):
    drawn = {"calibration_pictures": 2, "trial_steps": 2} if precision == "int8" else {}
    few = TrialOptions(evaluation_pictures=0, **drawn)
    options = {} if precision == "fp32" and format_ == "onnx" else {"format": format_, "trials": few}
    bundle = Bundle.open(exported("sd1", precision={"unet": precision}, **options).path)
    graph, names = bundle.graph("unet").path, taken_residuals(SKIPS)
    places = openings(json.loads(graph.with_name("config.json").read_text("utf-8")))
    assert [place.name for place in places] == [*names]
    shutil.copytree(graph.parent, tmp_path / "unet")
    half = precision == "fp16"
    written = quantiser_for(format_).open_graph(graph, tmp_path / "unet", places, places=Skips(SKIPS), half=half)
    assert [file.bytes for file in written] == [(tmp_path / "unet" / file.name).stat().st_size for file in written]
    rng = np.random.default_rng(0)
    feeds = {
        "sample": rng.standard_normal((2, 4, 9, 13)).astype(np.float32),
        "timestep": np.array([300], np.float32),
        "encoder_hidden_states": rng.standard_normal((2, 5, 16)).astype(np.float32),
    }
    nothing = {name: np.zeros((1, 1, 1, 1), np.float32) for name in names}
    something = {**nothing, "down_block_additional_residual_0": np.full((1, 8, 1, 1), 0.5, np.float32)}
    engine = edgediff_engine(format_)
    before = engine(graph, feeds)
    after, steered = (engine(tmp_path / "unet" / graph.name, {**feeds, **more}) for more in (nothing, something))
    if format_ == "onnx":
        np.testing.assert_array_equal(before, after)
        assert _initialisers(graph) == _initialisers(tmp_path / "unet" / graph.name)
    else:  # OpenVINO may fuse other operations then
        assert np.abs(before - after).max() <= 1e-5 * np.abs(before).max()
    assert np.abs(steered - after).max() > 1e-3


def test_words_that_a_network_joins_are_no_skips(tmp_path):
    """A U-Net that is told a pooled prompt puts one word in front of the others: three axes, not four."""
    from_encoder = {"word": ["batch", 1, 4], "words": ["batch", 3, 4], "middle": [1, 2, 4, 4], "skip": [1, 2, 4, 4]}
    known = [onnx.helper.make_tensor_value_info(name, 1, shape) for name, shape in from_encoder.items()]
    made = [onnx.helper.make_node("Neg", [f"{name}.in"], [name], name=name) for name in from_encoder] + [
        onnx.helper.make_node("Concat", ["word", "words"], ["text"], name="text", axis=1),
        onnx.helper.make_node("Concat", ["middle", "skip"], ["joined"], name="joined", axis=1),
    ]
    inputs = [onnx.helper.make_tensor_value_info(f"{name}.in", 1, shape) for name, shape in from_encoder.items()]
    outputs = [onnx.helper.make_tensor_value_info(name, 1, None) for name in ("text", "joined")]
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph(made, "net", inputs, outputs, value_info=known)),
        tmp_path / "net.onnx",
    )
    (tmp_path / "opened").mkdir()
    open_graph(tmp_path / "net.onnx", tmp_path / "opened", [Opening("more", 0)], places=Skips(1), half=False)
    opened = {node.name: [*node.input] for node in onnx.load(tmp_path / "opened" / "model.onnx").graph.node}
    assert (opened["text"], opened["joined"]) == (["word", "words"], ["middle", "more.sum"])


def edgediff_engine(format_):
    """``(graph, feeds) -> out_sample``."""
    if format_ == "onnx":

        def run(graph, feeds):
            return onnxruntime.InferenceSession(graph).run(None, feeds)[0]
    else:
        import openvino as ov  # noqa: PLC0415 - of one format alone

        def run(graph, feeds):
            model = ov.Core().read_model(graph)
            kinds = {port.any_name: port.element_type.to_dtype() for port in model.inputs}
            compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            return compiled({name: array.astype(kinds[name]) for name, array in feeds.items()})[0]

    return run


def _initialisers(graph):
    return [one.SerializeToString() for one in onnx.load(graph, load_external_data=False).graph.initializer]


def test_only_what_is_new_is_written(grown, report):
    """All other files are the old ones under a second name, and the manifest tells of them what it told."""
    before, after = (Bundle.open(path).manifest for path in (report.path, grown[1]))
    assert after.components.keys() - before.components.keys() == {"controlnet"}
    for role in before.components.keys() - {"unet"}:
        assert after.components[role] == before.components[role]
    assert after.components["unet"].operators == before.components["unet"].operators
    assert after.components["unet"].checks == before.components["unet"].checks
    assert after.provenance.components["controlnet"].source == "edges-1"
    assert after.provenance.command.endswith("--add --precision fp32")
    edgediff.verify(grown[1])


def test_a_grown_bundle_is_held_against_its_source(grown, sd1):
    found = edgediff.verify(grown[2], against=sd1)
    assert found.errors["unet"] <= found.tolerances["unet"]
    assert {*found.not_compared} == {"controlnet", "controlnet_2"}


def test_a_model_with_its_controlnets_is_exported_whole(sd1, controlnets, grown, tmp_path):
    """As diffusers saves the pipeline of several: the bundle is the one that grew by them."""
    source = shutil.copytree(sd1, tmp_path / "source")
    for place, one in zip(("controlnet", "controlnet_1"), controlnets, strict=True):
        shutil.copytree(one, source / place)
    index = json.loads((source / "model_index.json").read_text("utf-8"))
    index |= {"_class_name": "StableDiffusionControlNetPipeline", "controlnet": ["diffusers", "MultiControlNetModel"]}
    (source / "model_index.json").write_text(json.dumps(index))
    whole = edgediff.export(source, tmp_path / "whole").manifest
    wanted = Bundle.open(grown[2]).manifest
    assert whole.recipe.written() == wanted.recipe.written()
    assert {role: one.files for role, one in whole.components.items()} == {
        role: one.files for role, one in wanted.components.items()
    }


@pytest.fixture
def bundle(report, tmp_path):
    """A copy of the tiny bundle, to be added to."""
    return shutil.copytree(report.path, tmp_path / "bundle")


def everything_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_interrupt_leaves_the_old_bundle_whole(bundle, controlnets, monkeypatch):
    before = everything_in(bundle.parent)

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(adding, "_with_origins", interrupted)  # the last thing that is made
    with pytest.raises(KeyboardInterrupt):
        edgediff.add(controlnets[0], bundle)
    assert everything_in(bundle.parent) == before


def test_a_bundle_that_changed_meanwhile_is_left_as_it_is(bundle, controlnets):
    manifest = bundle / "edgediff.json"
    changed = manifest.read_text("utf-8").replace('"guidance": 7.5', '"guidance": 6.5')

    def change(_event):
        manifest.write_text(changed, encoding="utf-8")

    with pytest.raises(TargetError, match="changed while"):
        edgediff.add(controlnets[0], bundle, on_progress=change)
    assert manifest.read_text("utf-8") == changed
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def refused(bundle, source, error, words, **options):
    before = everything_in(bundle)
    with pytest.raises(error) as caught:
        edgediff.add(source, bundle, **options)
    assert words in caught.value.sentence
    assert everything_in(bundle) == before


def test_what_is_no_controlnet_for_the_bundle_is_refused(bundle, controlnets, sd1, tmp_path):
    wider = write_controlnet(tmp_path / "wider", sd1 / "unet", 3, cross_attention_dim=24)
    refused(bundle, wider, SourceError, "its `cross_attention_dim` is 24, expected 16")
    coarse = write_controlnet(tmp_path / "coarse", sd1 / "unet", 3, conditioning_embedding_out_channels=(4, 8, 8))
    refused(bundle, coarse, SourceError, "has 4 as its `pixels for each of the latents`: expected 2")
    pooled = write_controlnet(tmp_path / "pooled", sd1 / "unet", 3, global_pool_conditions=True)
    refused(bundle, pooled, SourceError, "`global_pool_conditions`: expected False")
    refused(bundle, sd1 / "unet", SourceError, "is of the class `UNet2DConditionModel`: expected `ControlNetModel` or")
    refused(bundle, tmp_path / "nothing-there", SourceError, "is not there")
    refused(bundle, controlnets[0], SettingError, "one that needs no calls to calibrate with", precision="int8")
    refused(bundle, controlnets[0], SettingError, "precision", precision="w3")
    half = shutil.copytree(controlnets[0], tmp_path / "half")
    tensors = next(half.glob("*.safetensors"))
    module = diffusers.ControlNetModel.from_pretrained(half)
    module.conv_in.weight.data[0, 0, 0, 0] = float("nan")
    module.save_pretrained(half)
    assert tensors.exists()
    with pytest.raises(Exception, match="controlnet") as caught:
        edgediff.add(half, bundle)
    assert isinstance(caught.value, edgediff.EdgediffError)


def test_another_family_is_refused_in_one_sentence(bundle, controlnets):
    manifest = bundle / "edgediff.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"family": "stable-diffusion"', '"family": "sana"'))
    refused(bundle, controlnets[0], SourceError, "is of the family `sana`: expected one of stable-diffusion")


def test_what_is_no_bundle_of_ours_is_refused(bundle, controlnets, tmp_path):
    with pytest.raises(BundleNotFoundError):
        edgediff.add(controlnets[0], tmp_path / "nowhere")
    (bundle / "edgediff.json").unlink()
    with contextlib.suppress(json.JSONDecodeError):
        refused(bundle, controlnets[0], TargetError, "was not exported by edgediff")


def run(*arguments):
    result = CliRunner().invoke(group, [str(one) for one in arguments], prog_name="edgediff")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_steers_and_repeats(grown, tmp_path):
    files = [tmp_path / "one.png", tmp_path / "other.png"]
    for turn, file in enumerate(files):
        picture(turn=turn).save(file)
    given = ["--control-image", files[0], "--control-image", files[1]]
    asked = ["--control-scale", 0.7, "--control-end", 0.6, "--control-end", 1, "--control-preprocessor", "canny"]
    first, again, alone = (tmp_path / f"{name}.png" for name in ("first", "again", "alone"))
    common = ["-m", grown[2], "--steps", 3, "--seed", 5, "--size", "16x16"]
    run("run", "a fox", *common, *given, *asked, "-o", first)
    with edgediff.load(grown[2]) as pipeline:
        expected = pipeline(
            "a fox",
            steps=3,
            seed=5,
            width=16,
            height=16,
            control_image=files,
            control_scale=0.7,
            control_end=[0.6, 1],
            control_preprocessor="canny",
        )
    assert Image.open(first).tobytes() == expected.images[0].tobytes()
    run("run", "--repeat", first, "-m", grown[2], *given, "-o", again)
    assert Image.open(again).tobytes() == Image.open(first).tobytes()
    refused = run("run", "--repeat", first, "-m", grown[2], "-o", tmp_path / "none.png")
    assert refused.exit_code == 2
    assert "needs --control-image" in refused.output
    run("run", "a fox", *common, "--control-image", "none", "--control-image", files[1], "-o", alone)
    with edgediff.load(grown[2]) as pipeline:
        expected = pipeline("a fox", steps=3, seed=5, width=16, height=16, control_image=[None, files[1]])
    assert Image.open(alone).tobytes() == expected.images[0].tobytes()


def test_the_command_adds(bundle, controlnets):
    said = json.loads(run("export", controlnets[0], bundle, "--add", "--precision", "w8", "--json").stdout)
    assert said["manifest"]["components"]["controlnet"]["precision"] == "w8"
    refused = run("export", controlnets[0], bundle, "--add", "--format", "openvino")
    assert refused.exit_code == 2
    assert "--format says how a whole model is exported: expected none beside --add" in refused.output
    refused = run("export", controlnets[0], bundle, "--add", "--precision", "unet=w8")
    assert "expected no name" in refused.output
