"""What families share that draw without latents: a ``UNet2DModel`` over the pixels of a picture."""

from __future__ import annotations

from edgediff_runtimes.families.classes import class_label
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.recipe.declarations import Affine, Graph, Noise, Noisy, Picture, Pictures
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Recipe, Schedule, Space, Stage
from edgediff_runtimes.untrusted.bounds import CHANNELS, FACTOR, LABELS, PIXELS

TASK = "unconditional-image-generation"
DENOISING = "denoising"
_SAMPLE_SIZE = 32  # of the smallest published model, for configs that do not say
_GREY, _COLOURS = 1, 3


def pixel_recipe(
    configs: Configs,
    *,
    task: str = TASK,
    result: tuple[Part, ...] = (Pictures("x"),),
    darkest: float = -1.0,
    schedule: Schedule = Schedule(),  # noqa: B008 - frozen
) -> Recipe:
    """A U-Net that sees pictures, and labels where it has classes.

    Args:
        configs: The model's.
        task: What it is called.
        result: What a picture is made of.
        darkest: What black is in the sampler's space, where white is 1.
        schedule: What is added to the scheduler's config.

    Raises:
        ManifestError: A config is not as it should be, or the pictures have neither one channel nor three.
    """
    unet = configs.of("unet")
    channels = unet.integer("in_channels", minimum=1, bound=CHANNELS)
    if channels not in (_GREY, _COLOURS):
        raise unet.fail("in_channels", f"{_GREY} or {_COLOURS}, for pictures in grey or in colour")
    feeds = {"sample": "x", "timestep": "t"}
    given: tuple[Part, ...] = ()
    if unet.values.get("num_class_embeds") is not None:
        classes = unet.integer("num_class_embeds", minimum=1, bound=LABELS)
        given, feeds["class_labels"] = (class_label(configs, classes=classes),), "label"
    halvings = len(unet.array("block_out_channels")) - 1
    if not 0 <= halvings < FACTOR.most.bit_length():
        raise unet.fail("block_out_channels", f"1 to {FACTOR.most.bit_length()} blocks")
    stage = Stage(
        name="base",
        space=Space(channels, multiple=2**halvings, preview=_colours(channels, darkest)),
        given=given,
        tasks={task: (Noise(),), DENOISING: _denoised(darkest)},
        network=(Graph("unet", feeds, {"out_sample": "prediction"}),),
        result=result,
        schedule=schedule,
    )
    return Recipe((stage,))


def _denoised(darkest: float) -> tuple[Part, ...]:
    """From a picture of the caller's with noise in it, in the numbers of the sampler's space."""
    span = 1 - darkest
    return (
        Picture("denoise", "picture", area=PIXELS.most),
        Affine("picture", "pixels", times=span / 2, plus=1 - span / 2),  # white is 1 in both
        Noisy("pixels", span=span),
    )


def pixel_defaults(configs: Configs, *, steps: int) -> Defaults:
    """The size it was trained at, and so many steps."""
    height, width = configs.sample_size("unet", default=_SAMPLE_SIZE)
    return Defaults(steps=steps, width=width, height=height)


def _colours(channels: int, darkest: float) -> tuple[tuple[float, ...], ...]:
    """The preview map of a space that is pixels already: from black and white there to 0 and 1."""
    scale = 1 / (1 - darkest)
    rows = [
        [scale * (channels == _GREY or colour == channel) for colour in range(_COLOURS)] for channel in range(channels)
    ]
    return (*map(tuple, rows), (-darkest * scale,) * _COLOURS)
