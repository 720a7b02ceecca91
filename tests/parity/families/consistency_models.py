"""A tiny random consistency model with classes, in pixel space, and what diffusers draws with it."""

from __future__ import annotations

import diffusers
import torch

NAME = "consistency-models"
LABELS = [3, 0, 6]
# guidance, negative prompt, batch, size: diffusers' pipeline draws squares
PLANS = [(None, None, 1, (16, 16)), (None, None, 3, (24, 24))]
STARTS = ("noise",)
STEPS = 2


def build(folder, *, tokenizer, perturb):  # noqa: ARG001 - there is no text
    """Write the source."""
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 16),
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        downsample_type="resnet",
        upsample_type="resnet",
        resnet_time_scale_shift="scale_shift",
        layers_per_block=1,
        norm_num_groups=4,
        attn_norm_num_groups=4,
        attention_head_dim=4,
        num_class_embeds=7,
    )
    perturb(unet).save_pretrained(folder / "unet")
    diffusers.CMStochasticIterativeScheduler().save_pretrained(folder / "scheduler")
    return {
        "_class_name": "ConsistencyModelPipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "CMStochasticIterativeScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }


def asked(batch):
    """A label for each picture."""
    return None, {"class_label": LABELS[:batch]}


def reference(pipeline, *, size, batch, guidance, negative, image, steps):  # noqa: ARG001 - it takes none of them
    """Final samples and pictures as diffusers has them."""
    pipeline.unet.register_to_config(sample_size=size[0])
    seen = []
    images = pipeline(
        batch_size=batch,
        class_labels=LABELS[:batch],
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        num_inference_steps=steps,
        callback=lambda _index, _t, sample: seen.append(sample),
    ).images
    return seen[-1].numpy(), images
