"""Drawing into pictures with a tiny random model: every sampler, and what is cut out and pasted back, as in diffusers.

Bounds: final latents 1e-3 of their largest value, pictures 2/255. Families: tests/parity/families.
"""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import torch
from drawn_by_families import MODELS
from PIL import Image

import edgediff

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers")

MODEL = MODELS["stable-diffusion"]
SIZE, STEPS, SEED = (48, 40), 5, 7
SAMPLERS = {
    "ddim": (diffusers.DDIMScheduler, {}),
    "ddpm": (diffusers.DDPMScheduler, {}),
    "plms": (diffusers.PNDMScheduler, {"skip_prk_steps": True}),
    "euler": (diffusers.EulerDiscreteScheduler, {}),
    "euler_a": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "heun": (diffusers.HeunDiscreteScheduler, {}),
    "lms": (diffusers.LMSDiscreteScheduler, {}),
    "dpmpp_2m": (diffusers.DPMSolverMultistepScheduler, {}),
    "dpmpp_2m_karras": (diffusers.DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    "dpmpp_2s": (diffusers.DPMSolverSinglestepScheduler, {}),
    "unipc": (diffusers.UniPCMultistepScheduler, {}),
    "deis": (diffusers.DEISMultistepScheduler, {}),
    "lcm": (diffusers.LCMScheduler, {}),
}


@pytest.fixture(scope="module")
def theirs(exported_family):
    return MODEL.load(exported_family(MODEL) / "source")


@pytest.fixture(scope="module")
def ours(exported_family):
    with edgediff.load(exported_family(MODEL) / "bundle") as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def picture():
    y, x = np.mgrid[0:40, 0:48].astype(np.float32)
    disc = ((x - 24) ** 2 + (y - 16) ** 2 < 160)[..., None]
    return Image.fromarray(np.where(disc, np.stack([220 - y, 40 + 3 * x, 60 + x + y], axis=-1), 255).astype(np.uint8))


@pytest.fixture(scope="module")
def mask():
    made = Image.new("L", SIZE, "black")
    made.paste("white", (10, 6, 33, 27))
    return made


# Going on from a picture, diffusers' LMS takes coefficients of steps that were not made, as in its image-to-image.
ASKED = [(sampler, strength) for sampler in SAMPLERS for strength in (0.6, 1.0) if (sampler, strength) != ("lms", 0.6)]


@pytest.mark.parametrize(("sampler", "strength"), ASKED)
def test_every_sampler_keeps_what_diffusers_keeps(theirs, ours, picture, mask, sampler, strength):
    kind, options = SAMPLERS[sampler]
    latents, _ = MODEL.case.reference(
        theirs,
        size=SIZE,
        batch=1,
        guidance=4.0,
        negative=None,
        image=picture,
        mask=mask,
        strength=strength,
        steps=STEPS,
        scheduler=kind.from_config(theirs.scheduler.config, **options),
    )
    asked = {"image": picture, "mask": mask, "strength": strength, "guidance": 4.0, "steps": STEPS, "seed": SEED}
    result = ours(MODEL.case.PROMPTS[0], sampler=sampler, **asked)
    assert np.abs(result.latents - latents).max() <= 1e-3 * np.abs(latents).max()


@pytest.mark.parametrize("blur", [0, 2])
@pytest.mark.parametrize("box", [(10, 6, 33, 27), (40, 50, 58, 60)])
def test_what_is_cut_out_is_pasted_back_as_in_diffusers(theirs, ours, box, blur):
    y, x = np.mgrid[0:72, 0:96].astype(np.float32)
    photo = Image.fromarray(np.stack([x * 2, y * 3, x + y], axis=-1).astype(np.uint8))
    spot = Image.new("L", photo.size, "black")
    spot.paste("white", box)
    drawer = diffusers.StableDiffusionInpaintPipeline(**theirs.components, requires_safety_checker=False)
    drawer.set_progress_bar_config(disable=True)
    blurred = drawer.mask_processor.blur(spot, blur) if blur else spot
    expected = drawer(
        prompt=MODEL.case.PROMPTS[0],
        image=photo,
        mask_image=blurred,
        padding_mask_crop=6,
        width=32,
        height=32,
        num_inference_steps=STEPS,
        guidance_scale=1.0,
        generator=torch.Generator("cpu").manual_seed(SEED),
    ).images[0]
    asked = {"crop_mask": 6, "mask_blur": blur, "width": 32, "height": 32, "guidance": 1.0}
    result = ours(MODEL.case.PROMPTS[0], image=photo, mask=spot, steps=STEPS, seed=SEED, **asked)
    got = np.asarray(result.images[0], np.int16)
    assert np.abs(got - np.asarray(expected, np.int16)).max() <= 2
    untouched = np.asarray(blurred) == 0
    np.testing.assert_array_equal(got[untouched], np.asarray(photo)[untouched])
