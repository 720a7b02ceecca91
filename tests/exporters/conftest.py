"""Tiny models with random weights, in which nothing is trivially right, and bundles exported from them."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import pickle
import runpy
import shutil
import string
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # steering
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach for a hub

torch = pytest.importorskip("torch")

import onnx_ir as ir  # noqa: E402 - after the skip
from diffusers import AutoencoderKL, DDIMScheduler, LCMScheduler, UNet2DConditionModel  # noqa: E402 - after the skip
from tokenizers import pre_tokenizers  # noqa: E402 - after the skip
from transformers import (  # noqa: E402 - after the skip
    BertTokenizer,
    CLIPTextConfig,
    CLIPTextModel,
    GemmaTokenizer,
    Qwen2Tokenizer,
    T5Tokenizer,
)

from edgediff_exporters import TrialOptions, candidate, component_export, export, exporting, mixing  # noqa: E402 - after the skip
from edgediff_exporters.quantization.search import Budget  # noqa: E402 - after the skip
from edgediff_exporters.tracing import Traced, trace  # noqa: E402 - after the skip
from edgediff_runtimes.text.sentencepiece import read_pieces  # noqa: E402 - after the skip

TEXT = Path(__file__).parents[1] / "golden" / "text"
CASES = Path(__file__).parents[1] / "parity" / "families"
WIDTH = 16
UNETS = {
    "sd1": {"attention_head_dim": 2},
    "sd2": {"attention_head_dim": [2, 4], "use_linear_projection": True},
    "lcm": {"attention_head_dim": 2, "time_cond_proj_dim": 12},
}
# Of a VAE's config, what the recipe computes with and no module: tiny families differ in it and share their traces.
NOT_TRACED = ("scaling_factor", "shift_factor")
PIPELINES = {"lcm": "LatentConsistencyModelPipeline"}


def perturb(module):
    """Move every constant parameter: a norm of ones or a bias of zeros would hide a lost weight."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() == 1 or float(parameter.std()) == 0:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module


def write_tokenizer(folder, kind="clip"):
    """A small tokenizer of the kind asked for, and the size of its vocabulary."""
    folder.mkdir(parents=True)
    makers = {
        "bert": _write_bert,
        "chatglm": _write_chatglm,
        "clip": _write_clip,
        "gemma": _write_gemma,
        "llama": _write_llama,
        "qwen": _write_qwen,
        "qwen-vl": partial(_write_qwen, marks=("<|vision_start|>", "<|image_pad|>", "<|vision_end|>")),
        "t5": _write_t5,
    }
    return makers[kind](folder)


def _write_bert(folder):
    shutil.copytree(TEXT / "bert", folder, dirs_exist_ok=True)
    return len(BertTokenizer.from_pretrained(folder))


def _write_chatglm(folder):
    shutil.copytree(TEXT / "chatglm", folder, dirs_exist_ok=True)
    return len(read_pieces(folder, "tokenizer.model").pieces) + 5  # marks


def _write_gemma(folder):
    shutil.copytree(TEXT / "gemma", folder, dirs_exist_ok=True)
    return len(GemmaTokenizer.from_pretrained(folder))


def _write_qwen(folder, *, marks=()):
    tokenizer = Qwen2Tokenizer(
        vocab={symbol: index for index, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))},
        merges=[],
        additional_special_tokens=["<|im_start|>", "<|im_end|>", *marks],
    )
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n"
        "{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def _write_t5(folder):
    letters = [(letter, -3.0 - index / 10) for index, letter in enumerate(string.ascii_lowercase)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *letters]
    tokenizer = T5Tokenizer(vocab=pieces)
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def _write_llama(folder):
    shutil.copytree(TEXT / "llama", folder, dirs_exist_ok=True)
    return len(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"])


def _write_clip(folder):
    # Single bytes only, as many as the text encoder's vocabulary.
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


@pytest.fixture(scope="session", autouse=True)
def _traced_once(shared):
    with traced_once(shared):
        yield


@contextlib.contextmanager
def traced_once(shared):
    """Each component is traced once in a run, whatever precision or layout it is then exported from and to.

    Tracing is nine tenths of the export of a tiny model; all after it is done anew. Processes that tests start trace.
    """

    def traced(plan, config, *, dtype):
        functions = [f"{one.__module__}.{one.__qualname__}" for one in (plan.build, plan.forward)]
        facts = (plan.role, plan.inputs, plan.outputs, sorted(plan.traced.items()), functions, str(dtype))
        used = {name: value for name, value in config.items() if name not in NOT_TRACED}
        key = _digest(facts, json.dumps(used, sort_keys=True, default=repr))
        return _read_trace(
            shared(f"trace-{key}", lambda folder: _write_trace(folder, trace(plan, config, dtype=dtype)))
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(component_export, "trace", traced)
        yield


def _digest(*facts):
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _write_trace(folder, traced):
    for value in traced.model.graph.initializers.values():
        if value.const_value is None:  # a parameter; ONNX has no initialiser without a value
            nowhere = ir.ExternalTensor("nowhere", None, None, value.dtype, shape=value.shape, name=value.name)
            value.const_value = nowhere
    ir.save(traced.model, folder / "traced.onnx")
    (folder / "rest.pickle").write_bytes(pickle.dumps((traced.constants, traced.symbols)))


def _read_trace(folder):
    model = ir.load(folder / "traced.onnx")
    for value in model.graph.initializers.values():
        if isinstance(value.const_value, ir.ExternalTensor):
            value.const_value = None
    return Traced(model, *pickle.loads((folder / "rest.pickle").read_bytes()))  # noqa: S301 - of this run


@pytest.fixture(scope="session")
def pipelines(shared):
    """Sources by kind: ``sd1``, ``sd2`` (v-prediction, linear projections) and ``lcm`` (guidance embedding)."""
    return {
        kind: shared(f"source-{kind}", lambda at, kind=kind: build_pipeline(at / kind, kind)) / kind for kind in UNETS
    }


@pytest.fixture(scope="session")
def small(shared):
    """``small(case, variant=...)``: the directory of a tiny model of the parity tests; no test writes to it."""

    def small(name, **given):
        def make(root):
            index = runpy.run_path(str(CASES / f"{name}.py"))["build"](
                root / "source", tokenizer=write_tokenizer, perturb=perturb, **given
            )
            (root / "source" / "model_index.json").write_text(json.dumps(index))

        return shared(f"small-{name}{''.join(given.values())}", make) / "source"

    return small


@pytest.fixture(scope="session")
def exported(pipelines, shared):
    """``exported(kind, **options)``: an export that every test of a run may read, and none write to.

    It has ``path``, the ``manifest`` that was reported and all ``events`` that were told. Ask for it wherever the
    bundle matters and not how it was made; the options are those of ``export``.
    """

    def exported(kind, **options):
        def make(folder):
            events = []
            made = export(pipelines[kind], folder / kind, on_progress=events.append, **options)
            (folder / "told.pickle").write_bytes(pickle.dumps((made.manifest, events)))

        folder = shared(f"{kind}-{_digest(sorted(options.items()))}", make)
        manifest, events = pickle.loads((folder / "told.pickle").read_bytes())  # noqa: S301 - of this run
        return SimpleNamespace(path=folder / kind, manifest=manifest, events=events)

    return exported


@pytest.fixture(scope="session")
def sd1(pipelines):
    return pipelines["sd1"]


@pytest.fixture(scope="session")
def report(exported):
    """The fp32 export of ``sd1``."""
    return exported("sd1")


@pytest.fixture(scope="session")
def events(report):
    """Everything the export of ``report`` said while it worked."""
    return report.events


@pytest.fixture(scope="module")
def traced_already(report, exported):
    """Components are copied from exports that were made: tracing is shown elsewhere, and takes long."""
    asked = []
    w4 = exported("sd1", precision={"unet": "w4"}, trials=TrialOptions(evaluation_pictures=0))
    made = {"fp32": report, "w4": w4}

    def component(_source, plan, folder, precision, _on_progress):
        asked.append(plan.role)
        shutil.copytree(made[precision].path / plan.role, folder / plan.role)
        return made[precision].manifest.components[plan.role]

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
