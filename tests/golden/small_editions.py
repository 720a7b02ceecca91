"""Small editions of the models whose configs are shipped: those configs with other sizes, and random weights.

Each is written twice: as the directory that diffusers saves, and as the files that those who trained the model publish.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, final

import diffusers
import pytest
import torch
import transformers
from drawn_by_families import MODELS, Model, module_of
from safetensors.torch import load_file, save_file

from edgediff_exporters.sources import layouts, replacing
from edgediff_exporters.sources.originals import KNOWN

EXPORTERS = Path(__file__).parents[1] / "exporters"
NAMES = module_of(EXPORTERS / "original_names.py")
SHIPPED = layouts.LAYOUTS
BLOCKS = 2  # of a VAE
PROJECTION = "text_projection.weight"
Tensors: TypeAlias = dict[str, torch.Tensor]
CLIP_L, CLIP_G, T5 = (f"text_encoders.{name}.transformer." for name in ("clip_l", "clip_g", "t5xxl"))


def clip(width, layers):
    return {"hidden_size": width, "projection_dim": width, "num_hidden_layers": layers, "num_attention_heads": 2} | {
        "intermediate_size": 32
    }


VAE = {
    "block_out_channels": [8, 8],
    "down_block_types": ["DownEncoderBlock2D"] * BLOCKS,
    "up_block_types": ["UpDecoderBlock2D"] * BLOCKS,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "sample_size": 32,
}
# By directory among the shipped configs. All else in them stays: latents' channels, vocabularies, activations, scales.
SIZES = {
    "shared/clip-l": clip(16, 2),
    "shared/clip-l-projected": clip(16, 2),
    "shared/clip-g-projected": clip(12, 3),
    "shared/t5-xxl": {"d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 3},
    "shared/vae-flux": VAE,
    "shared/vae-sd3": VAE,
    "shared/vae-xl": VAE,
    "sdxl/unet": {
        "sample_size": 16,
        "block_out_channels": [8, 16],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "cross_attention_dim": 28,
        "attention_head_dim": [2, 4],
        "transformer_layers_per_block": [1, 2],
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 12,
    },
    "sd3.5-medium/transformer": {
        "sample_size": 16,
        "num_layers": 2,
        "attention_head_dim": 8,
        "num_attention_heads": 2,
        "joint_attention_dim": 32,
        "caption_projection_dim": 16,
        "pooled_projection_dim": 28,
        "pos_embed_max_size": 12,
        "dual_attention_layers": [0],
    },
    "flux-dev/transformer": {
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": 32,
        "pooled_projection_dim": 16,
        "axes_dims_rope": [4, 4, 8],
    },
}


@final
@dataclass(frozen=True)
class Edition:
    """One of them.

    Attributes:
        layout: The name of the shipped configs.
        like: The model of the parity tests that is asked for pictures in the same words.
        checkpoint: The file's name.
        files: The tensors of it, and of files beside it, by name; from what gives those of a directory's component.
        components: What the checkpoint lacks: by component, where it is among what is written.
    """

    layout: str
    like: Model
    checkpoint: str
    files: Callable[[Callable[[str], Tensors]], dict[str, Tensors]]
    components: dict[str, str]


def _xl(weights):
    return {
        "sdxl.safetensors": {
            **NAMES.original_unet(weights("unet"), 1, (1,)),
            **NAMES.original_vae(weights("vae"), BLOCKS),
            **NAMES.prefixed("conditioner.embedders.0.transformer.", NAMES.with_wrapper(weights("text_encoder"))),
            **NAMES.original_open_clip(weights("text_encoder_2"), "conditioner.embedders.1.model."),
        }
    }


def _sd3(weights):
    return {
        "sd3.5.safetensors": {
            **NAMES.prefixed(NAMES.UNET, NAMES.transformer("sd3", weights("transformer"), 2)),
            **NAMES.original_vae(weights("vae"), BLOCKS),
            **NAMES.prefixed(CLIP_L, {k: v for k, v in weights("text_encoder").items() if k != PROJECTION}),
            **NAMES.prefixed(CLIP_G, weights("text_encoder_2")),
            **NAMES.prefixed(T5, weights("text_encoder_3")),
        }
    }


def _flux(weights):
    return {
        "flux.safetensors": NAMES.transformer("flux", weights("transformer"), 1),
        "clip_l.safetensors": NAMES.with_wrapper(weights("text_encoder")),
        "ae.safetensors": NAMES.original_vae(weights("vae"), BLOCKS, ""),
    }


EDITIONS = {
    "sdxl": Edition("sdxl", MODELS["stable-diffusion-xl"], "sdxl.safetensors", _xl, {}),
    "sd3.5-medium": Edition(
        "sd3.5-medium", MODELS["stable-diffusion-3-3.5"], "sd3.5.safetensors", _sd3, {"tokenizer_3": "directory"}
    ),
    "flux-dev": Edition(
        "flux-dev",
        MODELS["flux-dev"],
        "flux.safetensors",
        _flux,
        {"text_encoder": "clip_l.safetensors", "text_encoder_2": "t5", "vae": "ae.safetensors"},
    ),
}


def write(edition, folder, *, perturb, tokenizer):
    """Fill a folder: ``layouts``, ``directory``, the files, and ``t5``: the T5 of the directory, in shards."""
    shutil.copytree(SHIPPED / edition.layout, folder / "layouts" / edition.layout)
    shutil.copytree(SHIPPED / "shared", folder / "layouts" / "shared")
    for place, sizes in SIZES.items():
        config = folder / "layouts" / place / "config.json"
        if config.exists():
            config.write_text(json.dumps(json.loads(config.read_text()) | sizes))
    whole = shutil.copytree(folder / "layouts" / edition.layout, folder / "directory")
    for origin, shared in _known(edition).shared.items():
        shutil.copytree(folder / "layouts" / "shared" / shared, whole / origin)
    for place in whole.glob("*/tokenizer_config.json"):
        layouts.write_clip_vocabulary(place.parent)
    torch.manual_seed(0)
    for origin in sorted(path.parent.name for path in whole.glob("*/config.json")):
        module = perturb(_module(whole / origin))
        if _known(edition).shared.get(origin) == "clip-l-projected":  # that of Stable Diffusion 3 is not projected
            torch.nn.init.eye_(module.text_projection.weight)
        _save(module, whole / origin)
        if isinstance(module, transformers.T5EncoderModel):
            shutil.copytree(whole / origin, folder / "t5" / origin, ignore=shutil.ignore_patterns("*.safetensors"))
            _save(module, folder / "t5" / origin, max_shard_size="1MB")
            for place in (whole, folder / "t5"):
                tokenizer(place / origin.replace("text_encoder", "tokenizer"), kind="t5")
    for name, tensors in edition.files(lambda origin: _tensors(whole / origin)).items():
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / name)


def _save(module, folder, **given):
    config = (folder / "config.json").read_text()
    module.save_pretrained(folder, **given)
    (folder / "config.json").write_text(config)  # as it was published


def _known(edition):
    return next(one for one in KNOWN if one.name == edition.layout)


def _tensors(folder):
    (file,) = folder.glob("*.safetensors")
    return load_file(file)


def _module(folder):
    config = json.loads((folder / "config.json").read_text())
    if "architectures" in config:
        kind = getattr(transformers, config["architectures"][0])
        return kind(kind.config_class.from_dict(config))
    return getattr(diffusers, config["_class_name"]).from_config(config)


@contextlib.contextmanager
def shipped(edition, folder):
    """The small edition's configs stand where the published model's are, and its tensors tell it."""
    known, tensors = _known(edition), load_file(folder / edition.checkpoint)
    found = {name: tensors.get(name, tensors.get(f"{NAMES.UNET}{name}")) for name in known.shapes}
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items() if tensor is not None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layouts, "KNOWN", (replace(known, shapes=shapes),))
        patch.setattr(layouts, "LAYOUTS", folder / "layouts")
        for module in (layouts, replacing):
            patch.setattr(module, "SHARED", folder / "layouts" / "shared")
        yield
