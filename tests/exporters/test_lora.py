"""LoRAs at load and at export, against the same arithmetic on the model's own weights in PyTorch."""

from __future__ import annotations

import dataclasses
import shutil
import warnings

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import edgediff
from edgediff_exporters import TrialOptions, export
from edgediff_exporters.candidate import quantised
from edgediff_exporters.passes.rounding import BlockRounding, ChannelRounding
from edgediff_exporters.quantization import quantiser_for
from edgediff_runtimes.adapters.names import names_of
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.weights.reading import stored_weights
from edgediff_runtimes.weights.schemes import Blocks, Scaled

UNMEASURED = TrialOptions(evaluation_pictures=0)
SCALE = 0.7
ROLES = {"unet": "diffusion_pytorch_model.safetensors", "text_encoder": "model.safetensors"}
# What is stored of a matrix may be off by so much of its largest value.
SCHEMES = {
    "onnx-fp32": 1e-7,
    "onnx-w8": 1e-2,
    "onnx-w4": 8e-2,
    "onnx-fp16": 1e-3,
    "onnx-int8": 1e-2,
    "openvino-fp32": 1e-6,
    "openvino-fp16": 1e-3,
    "openvino-w8": 1e-2,
    "openvino-w4": 8e-2,
    "openvino-int8": 3e-2,
}


@pytest.fixture(scope="module")
def lora(sd1, tmp_path_factory):
    """A LoRA of rank 2 on every matrix of the U-Net and of the text encoder's attention; as diffusers and as kohya."""
    generator = torch.Generator().manual_seed(0)
    folder = tmp_path_factory.mktemp("lora")
    ours, kohya, fused = {}, {}, {}
    for role, file in ROLES.items():
        tensors = load_file(sd1 / role / file)
        for name, weight in tensors.items():
            layer = name.removesuffix(".weight")
            trained = weight.ndim > 1 and (role == "unet" or "self_attn" in name)
            if not trained:
                continue
            down = torch.randn(2, *weight.shape[1:], generator=generator) / weight[0].numel() ** 0.5
            up = 0.1 * torch.randn(weight.shape[0], 2, *[1] * (weight.ndim - 2), generator=generator)
            plain = layer if role == "unet" or layer.startswith("text_model.") else f"text_model.{layer}"
            ours |= {f"{role}.{plain}.lora_A.weight": down, f"{role}.{plain}.lora_B.weight": up}
            flat = f"lora_{'unet' if role == 'unet' else 'te'}_{plain}".replace(".", "_")
            kohya |= {
                f"{flat}.lora_down.weight": down,
                f"{flat}.lora_up.weight": up,
                f"{flat}.alpha": torch.tensor(2.0),
            }
            product = (up.reshape(-1, 2) @ down.reshape(2, -1)).reshape(weight.shape)
            fused[role, name] = weight + SCALE * product
    save_file(ours, folder / "ours.safetensors")
    save_file(kohya, folder / "kohya.safetensors")
    model = folder / "model"
    shutil.copytree(sd1, model)
    for role, file in ROLES.items():
        tensors = load_file(model / role / file)
        tensors |= {name: tensor for (of, name), tensor in fused.items() if of == role}
        save_file(tensors, model / role / file, metadata={"format": "pt"})
    return folder


def drawn(pipeline):
    return np.asarray(pipeline("ab", seed=3, steps=3, guidance=2.0).images[0]).astype(int)


@pytest.fixture(scope="module")
def reference(lora):
    """What diffusers draws with the fused weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would have the scheduler's config another way
        pipeline = diffusers.StableDiffusionPipeline.from_pretrained(lora / "model", safety_checker=None)
    pipeline.scheduler = diffusers.DDIMScheduler.from_pretrained(lora / "model" / "scheduler")
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(3)
    size = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    options = {"num_inference_steps": 3, "guidance_scale": 2.0, "width": size, "height": size}
    return np.asarray(pipeline("ab", generator=generator, **options).images[0]).astype(int)


def test_a_lora_at_load_draws_what_diffusers_draws(report, lora, reference):
    with edgediff.load(report.path) as pipeline:
        base = drawn(pipeline)
        for name in ("ours", "kohya"):
            (applied,) = pipeline.set_loras({lora / f"{name}.safetensors": SCALE})
            assert applied.unbound == 0
            assert np.abs(drawn(pipeline) - reference).max() <= 2
        assert np.abs(base - reference).max() > 20  # else nothing was shown
        pipeline.set_loras(None)
        assert (drawn(pipeline) == base).all()


def test_two_halves_are_a_whole(report, lora, reference):
    halves = [(lora / "ours.safetensors", SCALE / 2), (lora / "kohya.safetensors", SCALE / 2)]
    with edgediff.load(report.path, loras=halves) as pipeline:
        assert np.abs(drawn(pipeline) - reference).max() <= 2


def test_a_run_goes_on_with_its_own(report, lora):
    with edgediff.load(report.path) as pipeline:
        alone = drawn(pipeline)
        run = pipeline.stream("ab", seed=3, steps=3, guidance=2.0)
        next(run)
        pipeline.set_loras([lora / "ours.safetensors"])
        assert (np.asarray(run.result.images[0]) == alone).all()
        assert run.result.loras == ()
        assert (drawn(pipeline) != alone).any()


def test_fused_at_export(sd1, lora, reference, tmp_path):
    export(sd1, tmp_path / "fused", loras={lora / "ours.safetensors": SCALE})
    bundle = Bundle.open(tmp_path / "fused")
    (fusion,) = bundle.manifest.provenance.loras
    assert (fusion.name, fusion.scale) == ("ours.safetensors", SCALE)
    assert "--lora ours.safetensors=0.7" in bundle.manifest.provenance.command
    assert not [path for path in bundle.path.iterdir() if path.name.startswith(".")]
    with edgediff.load(bundle.path) as pipeline:
        assert np.abs(drawn(pipeline) - reference).max() <= 2


@pytest.fixture(scope="module")
def calls(report):
    """Random calls of the U-Net, in place of calibration."""
    rng = np.random.default_rng(0)
    lengths = {"batch": 2, "height": 8, "width": 8, "sequence": 20}
    specs = report.manifest.components["unet"].inputs
    shapes = {spec.name: [lengths.get(axis, axis) for axis in spec.shape] for spec in specs}
    return [{name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()} for _ in range(2)]


@pytest.fixture(scope="module", params=SCHEMES)
def stored(request, exported, report, calls, tmp_path_factory):
    """A bundle of a scheme: exported where other tests export it too, else made from the graphs in fp32."""
    format_, precision = request.param.split("-")
    if (format_, precision) == ("onnx", "fp32"):
        return request.param, report.path
    if format_ == "onnx" and precision != "int8":
        asked = {"fp16": {"unet": "fp16", "vae_decoder": "w16"}, "w4": {"unet": "w4"}}.get(precision, precision)
        return request.param, exported("sd1", precision=asked, trials=UNMEASURED).path
    folder = tmp_path_factory.mktemp(request.param) / "bundle"
    shutil.copytree(report.path, folder)
    fp32, quantiser = Bundle.open(report.path), quantiser_for(format_)
    components = dict(fp32.manifest.components)
    for role in ROLES if format_ == "openvino" else ("unet",):
        shutil.rmtree(folder / role)
        own = "w8" if (role, precision) == ("text_encoder", "int8") else precision
        feeds = calls if own == "int8" else None
        components[role] = quantised(quantiser, fp32, role, folder, precision=own, feeds=feeds)
    manifest = dataclasses.replace(fp32.manifest, components=components)
    (folder / "edgediff.json").write_text(manifest.to_json(), encoding="utf-8")
    return request.param, folder


@pytest.mark.parametrize("role", ROLES)
def test_every_matrix_is_found_in_every_scheme(stored, sd1, role):
    scheme, path = stored
    weights = stored_weights(Bundle.open(path).graph(role))
    names, missing, far = names_of(weights), [], {}
    for name, tensor in load_file(sd1 / role / ROLES[role]).items():
        if tensor.ndim < 2:
            continue
        parameter = names.get(name.removesuffix(".weight").removeprefix("text_model.").replace(".", "_"))
        if parameter is None:
            missing.append(name)
            continue
        off = np.abs(weights[parameter].read().reshape(tensor.shape) - tensor.numpy()).max() / tensor.abs().max().item()
        if off > SCHEMES[scheme]:
            far[name] = off
    assert missing == []
    assert far == {}


def test_what_is_computed_as_whole_numbers_is_told_from_what_is_only_stored(stored):
    scheme, path = stored
    weights = stored_weights(Bundle.open(path).graph("unet"))
    weights = {name: getattr(one, "stored", one) for name, one in weights.items()}
    computed = {name for name, one in weights.items() if isinstance(one, Scaled) and one.computed}
    kept = {name for name, one in weights.items() if isinstance(one, Scaled)} - computed
    if scheme.endswith("int8"):
        assert {name for name in kept if "time_emb" not in name} == set()
        assert kept
        assert {name for name in computed if "time_emb" in name} == set()
    assert bool(computed) == scheme.endswith("int8")


def test_a_lora_in_every_scheme(stored, lora):
    """The pictures change, and are those of before once it is gone."""
    scheme, path = stored
    with edgediff.load(path) as pipeline:
        base = drawn(pipeline)
        (applied,) = pipeline.set_loras({lora / "ours.safetensors": SCALE})
        assert applied.unbound == 0
        changed = drawn(pipeline)
        assert np.abs(changed - base).mean() > 5, scheme
        pipeline.set_loras([])
        assert (drawn(pipeline) == base).all()


def test_rounding_is_the_exporters(sd1):
    weight = load_file(sd1 / "unet" / ROLES["unet"])["conv_in.weight"]
    rounded = ChannelRounding(weight, 0)
    tensors = {"numbers": rounded.values().numpy(), "scales": rounded.scales.numpy()}
    written = Scaled(tensors.__getitem__, "numbers", "scales", 0, tuple(weight.shape)).write(weight.numpy())
    assert all((written[name] == tensors[name]).all() for name in tensors)


def test_blocks_are_the_exporters():
    matrix = torch.randn(6, 80, generator=torch.Generator().manual_seed(1))
    rounded = BlockRounding(matrix)
    tensors = {
        "numbers": rounded.values().numpy(),
        "scales": rounded.scales().numpy(),
        "zeros": rounded.zeros().numpy(),
    }
    written = Blocks(tensors.__getitem__, "numbers", "scales", "zeros", 80, (6, 80)).write(matrix.numpy())
    assert all((written[name] == tensors[name]).all() for name in tensors)
