"""A tiny random DDPM in pixel space, and what diffusers draws with it; two pictures are drawn with DDIM."""

from __future__ import annotations

import copy

import diffusers
import torch

NAME = "ddpm"
# guidance, negative prompt, batch, size
PLANS = [(None, None, 1, (16, 16)), (None, None, 3, (24, 16)), (None, None, 2, (16, 16))]
STARTS = ("noise",)
DDIM = 2  # pictures


def build(folder, *, tokenizer, perturb):  # noqa: ARG001 - there is no text
    """Write the source."""
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
    )
    perturb(unet).save_pretrained(folder / "unet")
    diffusers.DDPMScheduler().save_pretrained(folder / "scheduler")
    return {
        "_class_name": "DDPMPipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }


def asked(batch):
    """Nothing but how many."""
    return None, {"images": batch, "sampler": "ddim" if batch == DDIM else None}


def reference(pipeline, *, size, batch, guidance, negative, image, steps):  # noqa: ARG001 - a DDPM takes none of them
    """Final samples, seen as the scheduler leaves them, and pictures as diffusers has them."""
    kind = (
        diffusers.DDIMPipeline if batch == DDIM else diffusers.DDPMPipeline
    )  # the former makes a DDIM of any scheduler
    pipeline = kind(unet=pipeline.unet, scheduler=copy.deepcopy(pipeline.scheduler))
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.register_to_config(sample_size=size[::-1])
    seen, step = [], pipeline.scheduler.step

    def watched(*args, **kwargs):
        seen.append(step(*args, **kwargs))
        return seen[-1]

    pipeline.scheduler.step = watched
    images = pipeline(
        batch_size=batch,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        num_inference_steps=steps,
    ).images
    return seen[-1].prev_sample.numpy(), images
