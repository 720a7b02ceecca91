"""A bundle grows by T2I-Adapters: it draws what diffusers draws with them, alone and beside a ControlNet.

Bounds: final latents 1e-3 of their largest value, pictures 2/255; OpenVINO in f32 5e-3 and 4/255.
"""

from __future__ import annotations

import json
import shutil

import diffusers
import numpy as np
import pytest
import torch
from steering import (
    BOUNDS,
    PROMPTS,
    SAMPLER,
    SEED,
    STEPS,
    assert_same,
    build_pipeline,
    perturb,
    picture,
    with_sampler,
    write_controlnet,
)

import edgediff
from edgediff_exporters import export
from edgediff_exporters.component_export import export_component
from edgediff_exporters.families.stable_diffusion import plans
from edgediff_exporters.modules import controlnet, t2i_adapter
from edgediff_exporters.opening import open_model
from edgediff_exporters.openings import Skips
from edgediff_exporters.passes.open_graph import open_graph
from edgediff_runtimes.errors import SourceError

SIZE = (40, 24)
BLOCKS = ("CrossAttnDownBlock2D", "DownBlock2D"), ("UpBlock2D", "CrossAttnUpBlock2D")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")


def write_adapter(folder, seed, **fields):
    torch.manual_seed(seed)
    config = {"in_channels": 3, "channels": [8, 16], "num_res_blocks": 1, "downscale_factor": 2}
    perturb(diffusers.T2IAdapter(**{**config, **fields})).save_pretrained(folder)
    return folder


def write_source(folder, widths):
    """The tiny Stable Diffusion with a U-Net whose first block has attention, as adapters want it."""
    build_pipeline(folder / "sd1", "sd1")
    shutil.rmtree(folder / "sd1" / "unet")
    torch.manual_seed(5)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=widths,
        down_block_types=BLOCKS[0],
        up_block_types=BLOCKS[1],
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=16,
        attention_head_dim=2,
    )
    perturb(unet).save_pretrained(folder / "sd1" / "unet")
    return folder / "sd1"


@pytest.fixture(scope="module")
def source(shared):
    return shared("attention-first", lambda folder: write_source(folder, (8, 16))) / "sd1"


@pytest.fixture(scope="module")
def adapters(shared):
    """Two; the second takes grey pictures."""

    def make(folder):
        write_adapter(folder / "depth", 1)
        write_adapter(folder / "lines", 2, in_channels=1)

    folder = shared("adapters", make)
    return [folder / "depth", folder / "lines"]


@pytest.fixture(scope="module")
def grown(source, adapters, shared):
    """``grown[n]``: the bundle with so many adapters, at 3 with a ControlNet too; not to be written to."""

    def make(folder):
        export(source, folder / "0")
        for count in (1, 2):
            shutil.copytree(folder / str(count - 1), folder / str(count))
            edgediff.add(adapters[count - 1], folder / str(count))
        shutil.copytree(folder / "1", folder / "3")
        edgediff.add(write_controlnet(folder / "edges", source / "unet", 3), folder / "3")

    folder = shared("grown-by-adapters", make)
    return {count: folder / str(count) for count in range(4)}


def drawn(source, adapter, image, **options):
    parts = diffusers.StableDiffusionPipeline.from_pretrained(source, safety_checker=None).components
    parts.pop("image_encoder", None)
    pipeline = diffusers.StableDiffusionAdapterPipeline(
        **with_sampler(parts), adapter=adapter, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    latents = pipeline(
        prompt=PROMPTS[0],
        image=image,
        width=SIZE[0],
        height=SIZE[1],
        num_inference_steps=STEPS,
        generator=torch.Generator("cpu").manual_seed(SEED),
        output_type="latent",
        **options,
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")


def ours(bundle, *, engine=None, **options):
    common = {"seed": SEED, "steps": STEPS, **SAMPLER, "width": SIZE[0], "height": SIZE[1], **options}
    with edgediff.load(bundle, engine=engine) as pipeline:
        return pipeline(PROMPTS[0], **common)


@pytest.mark.parametrize("engine", BOUNDS)
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_same_seed_same_picture(grown, source, adapters, engine, guidance):
    adapter = diffusers.T2IAdapter.from_pretrained(adapters[0])
    expected = drawn(source, adapter, picture(), guidance_scale=guidance, adapter_conditioning_scale=0.8)
    result = ours(grown[1], engine=engine, guidance=guidance, control_image=picture(), control_scale=0.8)
    assert_same(result, expected, engine)
    without = ours(grown[1], engine=engine, guidance=guidance)
    assert np.abs(result.latents - without.latents).max() > 0.05 * np.abs(without.latents).max()
    assert result.computed["t2i_adapter"].calls == 1


@pytest.mark.slow
@pytest.mark.nightly
def test_a_light_adapter(tmp_path):
    """It gives one feature more than it has widths, for the last block, which is as wide as the one before."""
    source = write_source(tmp_path, (8, 8))
    folder = write_adapter(tmp_path / "light", 3, adapter_type="light_adapter", channels=[8])
    bundle = tmp_path / "bundle"
    export(source, bundle)
    edgediff.add(folder, bundle)
    adapter = diffusers.T2IAdapter.from_pretrained(folder)
    expected = drawn(source, adapter, picture(), guidance_scale=4.0, adapter_conditioning_scale=0.8)
    result = ours(bundle, guidance=4.0, control_image=picture(), control_scale=0.8)
    assert_same(result, expected, "onnxruntime")
    without = ours(bundle, guidance=4.0)
    assert np.abs(result.latents - without.latents).max() > 0.01 * np.abs(without.latents).max()


def test_a_light_adapter_for_another_network_is_refused(grown, tmp_path):
    folder = write_adapter(tmp_path / "light", 3, adapter_type="light_adapter", channels=[8])
    with pytest.raises(SourceError, match=r"whose last two blocks are as wide, got \[8, 16\]"):
        edgediff.add(folder, grown[0])


def test_of_several_the_weighed_sum_counts(grown, source, adapters):
    modules = diffusers.MultiAdapter([diffusers.T2IAdapter.from_pretrained(one) for one in adapters])
    grey = picture(turn=1).convert("L")
    expected = drawn(source, modules, [picture(), grey], guidance_scale=3.0, adapter_conditioning_scale=[0.7, 0.4])
    result = ours(grown[2], guidance=3.0, control_image=[picture(), grey], control_scale=[0.7, 0.4])
    assert_same(result, expected, "onnxruntime")


def test_without_a_picture_it_draws_what_it_drew(grown):
    """To the last bits of float32: ONNX Runtime joins other operations where sums stand inside of the encoder."""
    before = ours(grown[0], guidance=4.0)
    for count in (1, 2, 3):
        after = ours(grown[count], guidance=4.0)
        assert np.abs(before.latents - after.latents).max() <= 1e-5 * np.abs(before.latents).max()
        assert not any(role.startswith(("t2i", "controlnet")) for role in after.computed)


def test_beside_a_controlnet_both_count(grown):
    """Each alone is what it is without the other; both together are neither."""
    one = ours(grown[1], control_image=picture())
    np.testing.assert_array_equal(one.latents, ours(grown[3], control_image=[picture(), None]).latents)
    both = ours(grown[3], control_image=[picture(), picture(turn=1)])
    other = ours(grown[3], control_image=[None, picture(turn=1)])
    assert np.abs(both.latents - one.latents).max() > 1e-2
    assert np.abs(both.latents - other.latents).max() > 1e-2


def test_within_its_share_of_the_calls(grown):
    """At none it is what there is without a picture; features are computed once whatever the share."""
    np.testing.assert_array_equal(
        ours(grown[1]).latents, ours(grown[1], control_image=picture(), control_end=0.1).latents
    )
    half = ours(grown[1], control_image=picture(), control_end=0.5)
    assert half.computed["t2i_adapter"].calls == 1


def test_what_is_no_adapter_for_the_bundle_is_refused(grown, report, adapters, tmp_path):
    for fields, words in (
        ({"channels": [8, 24]}, "its `channels` are [8, 24]"),
        ({"downscale_factor": 4}, "`downscale_factor` is 4, expected [8, 16] and 2"),
        ({"in_channels": 4}, "takes 4 channels: expected 3, or 1 for grey"),
    ):
        with pytest.raises(SourceError) as caught:
            edgediff.add(write_adapter(tmp_path / words[:9], 3, **fields), grown[0])
        assert words in caught.value.sentence
    with pytest.raises(SourceError, match="expected one for a U-Net whose first block has no attention"):
        edgediff.add(adapters[0], report.path)


def test_places_of_the_published_networks():
    """Behind the last attention of a block, else behind the block; of XL's three blocks also the middle."""
    sd15 = {"down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"], "layers_per_block": 2}
    assert t2i_adapter.feature_places(sd15) == (2, 5, 8, 11, None)
    sdxl = {"down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 2, "layers_per_block": 2}
    assert t2i_adapter.feature_places(sdxl) == (3, 5, 8, None)


@pytest.mark.slow
@pytest.mark.nightly
def test_a_network_of_three_blocks_is_opened_where_diffusers_adds(source, tmp_path):
    """As XL's, against the module itself: residuals of a ControlNet, features of an adapter, and both."""
    torch.manual_seed(6)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(4, 8, 8),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=16,
        attention_head_dim=2,
    )
    shutil.copytree(source, tmp_path / "source", ignore=shutil.ignore_patterns("unet"))
    perturb(unet).save_pretrained(tmp_path / "source" / "unet")
    model = open_model(tmp_path / "source", config=None).source
    (plan,) = (one for one in plans(model) if one.role == "unet")
    export_component(model, plan, tmp_path, "fp32", lambda _: None)
    config = json.loads((tmp_path / "unet" / "config.json").read_text("utf-8"))
    skips = controlnet.skips_of(config)
    assert skips == 6
    residuals = controlnet.openings(config)
    features = t2i_adapter.openings({"channels": [4, 8, 8, 8]}, config)
    graph = tmp_path / "unet" / "model.onnx"
    for places in (residuals, features):  # one after the other, as bundles grow
        open_graph(graph, tmp_path / "unet", places, places=Skips(skips), half=False)
    module = diffusers.UNet2DConditionModel.from_pretrained(tmp_path / "source" / "unet")
    check_against_module(graph, module, residuals, features)


def check_against_module(graph, module, residuals, features):
    import onnxruntime  # noqa: PLC0415 - beside what needs it

    generator = torch.Generator().manual_seed(0)

    def noise(*shape):
        return torch.randn(shape, generator=generator)

    sides = [(13, 9), (13, 9), (7, 5), (7, 5), (4, 3), (4, 3), (4, 3)]
    channels = [4, 4, 4, 8, 8, 8, 8]
    given = [noise(2, count, *side) for count, side in zip(channels, sides, strict=True)]
    added = [noise(1, 4, 7, 5), noise(1, 8, 7, 5), noise(1, 8, 4, 3), noise(1, 8, 4, 3)]
    sample, hidden = noise(2, 4, 13, 9), noise(2, 5, 16)
    session = onnxruntime.InferenceSession(graph)
    feeds = {"sample": sample.numpy(), "timestep": np.array([300], np.float32), "encoder_hidden_states": hidden.numpy()}
    nothing = {one.name: np.zeros((1, 1, 1, 1), np.float32) for one in (*residuals, *features)}
    cases = [((), ()), (given, ()), ((), added), (given, added)]
    for controls, adapted in cases:
        more = {one.name: array.numpy() for one, array in zip(residuals, controls, strict=False)}
        more |= {one.name: array.numpy() for one, array in zip(features, adapted, strict=False)}
        with torch.no_grad():
            expected = module(
                sample,
                torch.tensor([300.0]),
                hidden,
                down_block_additional_residuals=tuple(controls[:-1]) or None,
                mid_block_additional_residual=controls[-1] if controls else None,
                down_intrablock_additional_residuals=[one.expand(2, -1, -1, -1).clone() for one in adapted] or None,
            ).sample.numpy()
        (got,) = session.run(None, {**feeds, **nothing, **more})
        assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()
