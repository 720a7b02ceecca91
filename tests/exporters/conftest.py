"""Tiny models with random weights, in which nothing is trivially right, and bundles exported from them."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from types import SimpleNamespace

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach for a hub

torch = pytest.importorskip("torch")

from diffusers import AutoencoderKL, DDIMScheduler, LCMScheduler, UNet2DConditionModel  # noqa: E402 - after the skip
from transformers import CLIPTextConfig, CLIPTextModel  # noqa: E402 - after the skip

from edgediff_exporters import candidate, export, exporting, mixing  # noqa: E402 - after the skip
from edgediff_exporters.quantization.search import Budget  # noqa: E402 - after the skip

WIDTH = 16
UNETS = {
    "sd1": {"attention_head_dim": 2},
    "sd2": {"attention_head_dim": [2, 4], "use_linear_projection": True},
    "lcm": {"attention_head_dim": 2, "time_cond_proj_dim": 12},
}
PIPELINES = {"lcm": "LatentConsistencyModelPipeline"}


def perturb(module):
    """Move every constant parameter: a norm of ones or a bias of zeros would hide a lost weight."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() == 1 or float(parameter.std()) == 0:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module


def write_tokenizer(folder):
    """Single bytes only, as many as the text encoder's vocabulary."""
    folder.mkdir(parents=True)
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [*map(chr, plain), *(chr(256 + index) for index in range(256 - len(plain)))]
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": tokens[-2], "eos_token": tokens[-1], "pad_token": tokens[-1], "unk_token": tokens[-1]}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**special, "model_max_length": 20, "tokenizer_class": "CLIPTokenizer"})
    )
    return len(tokens)


def build_pipeline(folder, kind):
    torch.manual_seed(0)
    vocabulary = write_tokenizer(folder / "tokenizer")
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=WIDTH,
        **UNETS[kind],
    )
    vae = AutoencoderKL(
        sample_size=16,
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=WIDTH,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=24,
            vocab_size=vocabulary,
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
            pad_token_id=vocabulary - 1,
            hidden_act="quick_gelu" if kind != "sd2" else "gelu",
        )
    )
    for role, module in (("unet", unet), ("vae", vae), ("text_encoder", text)):
        perturb(module).save_pretrained(folder / role)
    scheduler = (
        LCMScheduler() if kind == "lcm" else DDIMScheduler(prediction_type=("epsilon", "v_prediction")[kind == "sd2"])
    )
    scheduler.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": PIPELINES.get(kind, "StableDiffusionPipeline"),
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", type(scheduler).__name__],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory):
    """Sources by kind: ``sd1``, ``sd2`` (v-prediction, linear projections) and ``lcm`` (guidance embedding)."""
    root = tmp_path_factory.mktemp("pipelines")
    return {kind: build_pipeline(root / kind, kind) for kind in UNETS}


@pytest.fixture(scope="session")
def sd1(pipelines):
    return pipelines["sd1"]


@pytest.fixture(scope="session")
def events():
    """Everything the export of ``report`` said while it worked."""
    return []


@pytest.fixture(scope="session")
def report(sd1, events, tmp_path_factory):
    """The fp32 export of ``sd1``."""
    return export(sd1, tmp_path_factory.mktemp("bundles") / "sd1", on_progress=events.append)


@pytest.fixture(scope="module")
def traced_already(report):
    """Components in fp32 are copied from an export that was made: tracing is shown elsewhere, and takes long."""
    asked = []

    def component(_source, plan, folder, precision, _on_progress):
        assert precision == "fp32"
        asked.append(plan.role)
        shutil.copytree(report.path / plan.role, folder / plan.role)
        return report.manifest.components[plan.role]

    with pytest.MonkeyPatch.context() as patch:
        for module in (exporting, candidate):
            patch.setattr(module, "export_component", component)
        yield asked


@pytest.fixture(scope="module")
def counted_time():
    """A search's clock that ticks whenever it is looked at: how far a search comes does not hang on the machine."""
    ticks = itertools.count()
    counted = SimpleNamespace(start=lambda seconds: Budget.start(seconds, lambda: float(next(ticks))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixing, "Budget", counted)
        yield
