"""Qwen-Image-Edit, of one picture and of several: five graphs.

Qwen Team 2025, "Qwen-Image Technical Report", section 5.
"""

from __future__ import annotations

from typing import final

import torch
from transformers import Qwen2_5_VLVisionConfig

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.families.qwen_image import (
    CLASSES,
    OTHERS,
    PlacedTransformer,
    autoencoder,
    build_transformer,
    check_fitting,
    refuse_set,
)
from edgediff_exporters.modules.language_models import (
    LANGUAGE_MODEL_LEFTOVERS,
    qwen2_vl_text,
    states_after,
    text_config,
)
from edgediff_exporters.modules.vision import seeing_states, vision_tower
from edgediff_exporters.sources.base import PROCESSOR, Source
from edgediff_runtimes.errors import SourceError

_FP32 = torch.float32
_BICUBIC = 3  # Pillow's number
_PLACES = 64  # rows and columns to check with


@final
class _Transformer(PlacedTransformer):
    """The same, of packed latents of pictures one behind the other."""

    def forward(
        self,
        tokens: torch.Tensor,
        timestep: torch.Tensor,
        text: torch.Tensor,
        mask: torch.Tensor,
        places: torch.Tensor,
    ) -> Outputs:
        return (self.answer(tokens, places.long(), timestep, text, mask),)


def _build(config: Config) -> torch.nn.Module:
    return build_transformer(_Transformer, config)


def _check(source: Source) -> None:
    check_fitting(source)
    refuse_set(source, OTHERS, "which no published model that edits has")
    config = source.config("text_encoder")
    vision = Qwen2_5_VLVisionConfig.from_dict(config["vision_config"])
    reads = text_config(config).get("hidden_size")
    if vision.out_hidden_size != reads:
        raise SourceError(
            f"the vision tower's `out_hidden_size` is {vision.out_hidden_size}: expected {reads}, the `hidden_size` of "
            "its text"
        )
    processor = source.configs().by_name.get(PROCESSOR)
    if processor is None:
        raise SourceError(f"the component `{PROCESSOR}` is missing: expected `{PROCESSOR}/preprocessor_config.json`")
    wanted = {
        **dict.fromkeys(("do_resize", "do_rescale", "do_normalize"), True),
        "resample": _BICUBIC,
        "patch_size": vision.patch_size,
        "merge_size": vision.spatial_merge_size,
        "temporal_patch_size": vision.temporal_patch_size,
    }
    for name, value in wanted.items():
        if processor.get(name, value) != value:
            raise SourceError(f"the processor's `{name}` is {processor[name]}: expected {value}")


ADMITTED = Admitted(
    classes=CLASSES,
    unread={PROCESSOR: "the recipe does what it does; its numbers are read from its config"},
    leftovers=LANGUAGE_MODEL_LEFTOVERS,
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Vision tower, text encoder, transformer, VAE decoder, VAE encoder."""
    text = source.config("text_encoder")
    state = text_config(text)["num_hidden_layers"]
    return (
        vision_tower("vision_encoder", text, origin="text_encoder"),
        seeing_states("text_encoder", text, build=qwen2_vl_text, takes=states_after([state])),
        _transformer(source.config("transformer")),
        *autoencoder(source.config("vae")),
    )


def _transformer(config: Config) -> ComponentPlan:
    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=_build,
        forward=lambda module, *tensors: module(*tensors),
        inputs=(
            GraphInput("hidden_states", _FP32, ("batch", "tokens", config["in_channels"])),
            GraphInput("timestep", _FP32, ("batch",), positive=True),
            GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["joint_attention_dim"])),
            GraphInput("encoder_hidden_states_mask", torch.int64, ("batch", "sequence"), padding="right"),
            GraphInput("img_ids", _FP32, ("tokens", len(config["axes_dims_rope"])), below=_PLACES),
        ),
        outputs=("out_hidden_states",),
        traced={"batch": 2, "tokens": 15, "sequence": 7},
        checked={"batch": 3, "tokens": 24, "sequence": 5},
    )
