"""A tiny random model of FLUX.2 klein that draws beside a picture, and what diffusers draws with it."""

from __future__ import annotations

import copy
from pathlib import Path

import diffusers
import torch
from drawn_by_families import module_of

BASE = module_of(Path(__file__).with_name("flux2_klein.py"))
NAME = "flux2-klein"
VARIANTS = ("-edit",)
PROMPTS = ["make it snow", "turn it blue"]
# guidance, negative prompt, batch, size of the picture: diffusers takes none below 64x64, and cuts the second one
PLANS = [(4.0, None, 2, (72, 64)), (1.0, None, 1, (70, 66))]
STARTS = ("image",)
PICTURE_OPTIONS = {}
STEPS = 2
RUN = (40, 48)  # what is drawn beside it


def build(folder, *, tokenizer, perturb, variant):  # noqa: ARG001 - there is one
    """The same source."""
    return BASE.build(folder, tokenizer=tokenizer, perturb=perturb)


def options(*, guidance, negative_prompt, variant):  # noqa: ARG001 - it takes no negative prompt
    """A size that is not the picture's."""
    return {"guidance": guidance, "width": RUN[0], "height": RUN[1]}


def reference(pipeline, *, size, batch, guidance, negative, image, steps, variant):  # noqa: ARG001 - as above
    """Final latents, as the transformer gives them, and pictures as diffusers has them."""
    drawer = diffusers.Flux2KleinPipeline(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    seen = []
    images = drawer(
        image=image,
        prompt=PROMPTS[:batch],
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        width=RUN[0],
        height=RUN[1],
        text_encoder_out_layers=tuple(BASE._LAYERS * part // 4 for part in (1, 2, 3)),
        callback_on_step_end=lambda _pipeline, _index, _time, values: seen.append(values["latents"]) or values,
    ).images
    side = (RUN[1] // 4, RUN[0] // 4)
    return seen[-1].transpose(1, 2).reshape(batch, -1, *side).numpy(), images
