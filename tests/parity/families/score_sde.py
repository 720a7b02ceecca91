"""A tiny random NCSN++ in pixel space, and what diffusers draws with it."""

from __future__ import annotations

import diffusers
import torch

NAME = "score-sde"
# guidance, negative prompt, batch, size: diffusers' pipeline draws squares
PLANS = [(None, None, 1, (16, 16)), (None, None, 3, (24, 24))]
STARTS = ("noise",)


def build(folder, *, tokenizer, perturb):  # noqa: ARG001 - there is no text
    """Write the source. Skip blocks have 32 groups, whatever the config says."""
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=16,
        block_out_channels=(32, 32),
        down_block_types=("SkipDownBlock2D", "AttnSkipDownBlock2D"),
        up_block_types=("AttnSkipUpBlock2D", "SkipUpBlock2D"),
        time_embedding_type="fourier",
        layers_per_block=1,
        norm_num_groups=None,
        norm_eps=1e-6,
        attention_head_dim=32,
        mid_block_scale_factor=1.41421356237,
    )
    perturb(unet).save_pretrained(folder / "unet")
    diffusers.ScoreSdeVeScheduler(sigma_max=50.0).save_pretrained(folder / "scheduler")
    return {
        "_class_name": "ScoreSdeVePipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "ScoreSdeVeScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }


def asked(batch):
    """Nothing but how many."""
    return None, {"images": batch}


def reference(pipeline, *, size, batch, guidance, negative, image, steps):  # noqa: ARG001 - it takes none of them
    """The mean of the last step and pictures as diffusers has them."""
    pipeline.unet.register_to_config(sample_size=size[0])
    seen, step = [], pipeline.scheduler.step_pred

    def watched(*args, **kwargs):
        seen.append(step(*args, **kwargs))
        return seen[-1]

    pipeline.scheduler.step_pred = watched
    images = pipeline(
        batch_size=batch,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        num_inference_steps=steps,
    ).images
    pipeline.scheduler.step_pred = step
    return seen[-1].prev_sample_mean.numpy(), images
