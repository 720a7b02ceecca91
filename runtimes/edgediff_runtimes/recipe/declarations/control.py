"""Parts for pictures that steer the network or stand beside the prompt, and for how much they weigh."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from edgediff_runtimes.recipe.part import READ, WRITE, Part

# What a caller says of these pictures: one for each of the graphs that they are for, in their order.
CONTROLS = ("control_image", "control_scale", "control_start", "control_end", "control_preprocessor")

# Pictures beside the prompt, and how much they weigh.
PROMPT_PICTURES = ("prompt_image", "prompt_image_scale")
# Of red, green and blue in the pictures that CLIP was taught with.
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@final
@dataclass(frozen=True, slots=True)
class Control(Part):
    """A picture that steers the network, in the size of the run: ``(1, 3, height, width)``, float32.

    Where the caller gives none it is one entry that is 0.

    Attributes:
        index: Which of the caller's pictures, from 0.
        to: The value.
        signed: In [-1, 1], as a VAE's encoder takes pictures, and not in [0, 1].
    """

    ALWAYS: ClassVar = (*CONTROLS, "width", "height")
    index: int
    to: str = field(metadata=WRITE)
    signed: bool = False


@final
@dataclass(frozen=True, slots=True)
class ControlScale(Part):
    """How much such a picture weighs at this call of the network: ``(1,)``, float32.

    0 where the caller gives no picture, and at calls outside of the share of the run that it is for.

    Attributes:
        index: Which of the caller's pictures, from 0.
        to: The value.
    """

    ALWAYS: ClassVar = CONTROLS
    index: int
    to: str = field(metadata=WRITE)


@final
@dataclass(frozen=True, slots=True)
class PromptPictures(Part):
    """Pictures of the caller's that say what is to be seen, as CLIP sees them: ``(pictures, 3, side, side)``, float32.

    Where the caller gives none, this and the weight are one entry that is 0.

    Attributes:
        to: The value.
        scale: How much they weigh, ``(1,)``, float32.
        side: Pixels along one side.
        mean: Of red, green and blue in [0, 1], which is taken away.
        std: What the rest is divided by.
    """

    ALWAYS: ClassVar = PROMPT_PICTURES
    to: str = field(metadata=WRITE)
    scale: str = field(metadata=WRITE)
    side: int
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD


@final
@dataclass(frozen=True, slots=True)
class Branches(Part):
    """A row for each text: one value for the guided branch, another for the unguided one.

    Attributes:
        name: The guided branch's, with one row.
        null: The unguided one's, of the same shape.
        to: The result, with a row per text; one entry that is 0 where ``name`` is.
    """

    name: str = field(metadata=READ)
    null: str = field(metadata=READ)
    to: str = field(metadata=WRITE)
