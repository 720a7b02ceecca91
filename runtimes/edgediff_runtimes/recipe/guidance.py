"""What a recipe says of guidance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final


@final
@dataclass(frozen=True, slots=True)
class Guidance:
    """Classifier-free guidance of a stage: the network is asked a second time, for the negative prompt or the null.

    With a scale of its own for the caller's picture it is asked a third time, without that picture, too (Brooks et al.
    2023, "InstructPix2Pix", eq. 3): bare + picture_scale * (negative - bare) + scale * (prompt - negative).

    Attributes:
        scale: The option that is its scale.
        above: The network is asked twice where the scale is above this.
        origin: ``unconditional + scale * difference``, or ``conditional + scale * difference``.
        zeros: Values whose unguided rows are zeros where no negative prompt is given; the text encoders are then not
            asked for one.
        negative: Whether it needs a negative prompt; without, the network is asked once.
        norm: Scale the guided prediction to the norm of the conditional one: along this axis of tokens or channels;
            None: leave it.
        norm_patch: Of squares of so many entries along one side, whose norm along the channels is that of a token.
        picture_scale: The option that is the scale of the caller's picture, at least 1; None: there is none.
        picture_default: That scale where the caller says nothing.
        pictures: Values that are zeros at the third call.
    """

    scale: str = "guidance"
    above: float = 1.0
    origin: Literal["unconditional", "conditional"] = "unconditional"
    zeros: tuple[str, ...] = ()
    negative: bool = False
    norm: int | None = None
    norm_patch: int = 1
    picture_scale: str | None = None
    picture_default: float = 1.5
    pictures: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """The scales: of the text, and of the caller's picture where there is one."""
        return (self.scale,) if self.picture_scale is None else (self.scale, self.picture_scale)
