"""Parts that draw, join and reshape arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias, final

from edgediff_runtimes.recipe.part import READ, WRITE, Part

# One number, or one per channel (the second axis).
Numbers: TypeAlias = float | tuple[float, ...]


@final
@dataclass(frozen=True, slots=True)
class Noise(Part):
    """Unit-variance noise of the stage's shape, for each picture from its own seed: ``(pictures, ...)``, float32.

    Attributes:
        to: The value; the sampler starts from the one that is called ``noise``.
        like: A value whose shape it has instead, but for the first axis.
    """

    to: str = field(default="noise", metadata=WRITE)
    like: str | None = field(default=None, metadata=READ)


@final
@dataclass(frozen=True, slots=True)
class Gaussian(Part):
    """A draw from an encoder's Gaussian for each picture, or its mean: ``(pictures, channels, ...)``, float32.

    Attributes:
        moments: Mean and logarithm of the variance, one behind the other along the second axis.
        to: The draw.
    """

    ALWAYS: ClassVar = ("encode",)
    moments: str = field(metadata=READ)
    to: str = field(metadata=WRITE)


@final
@dataclass(frozen=True, slots=True)
class Join(Part):
    """Values joined.

    Attributes:
        names: The values.
        to: The result.
        axis: Along which axis, not the one that counts rows; negative ones count from the end.
    """

    names: tuple[str, ...] = field(metadata=READ)
    to: str = field(metadata=WRITE)
    axis: int


@final
@dataclass(frozen=True, slots=True)
class Sum(Part):
    """The sum of values, float32; one of a single entry counts for every entry.

    Attributes:
        names: The values.
        to: The result.
        weights: Values of one entry, one for each of ``names``, which is multiplied by it first; empty: none is.
    """

    names: tuple[str, ...] = field(metadata=READ)
    to: str = field(metadata=WRITE)
    weights: tuple[str, ...] = field(default=(), metadata=READ)


@final
@dataclass(frozen=True, slots=True)
class Affine(Part):
    """``(value - minus) * times / over + plus``, float32, each step rounded as diffusers rounds it.

    Attributes:
        name: The value.
        to: The result.
        minus: One number, or one per channel; as the others.
        times: See above.
        over: See above.
        plus: See above.
    """

    name: str = field(metadata=READ)
    to: str = field(metadata=WRITE)
    minus: Numbers = 0.0
    times: Numbers = 1.0
    over: Numbers = 1.0
    plus: Numbers = 0.0


@final
@dataclass(frozen=True, slots=True)
class Pad(Part):
    """A value made longer by zeros behind it.

    Attributes:
        name: The value.
        to: The result.
        axis: Along which axis, not the first; negative ones count from the end.
        length: How long it gets.
    """

    name: str = field(metadata=READ)
    to: str = field(metadata=WRITE)
    axis: int
    length: int


@final
@dataclass(frozen=True, slots=True)
class Cut(Part):
    """The beginning of a value.

    Attributes:
        name: The value.
        to: The result.
        axis: Along which axis, not the one that counts rows; negative ones count from the end.
        entries: How many entries are left there, also none; None: as many as ``like`` has.
        like: A value that has so many along the same axis.
    """

    name: str = field(metadata=READ)
    to: str = field(metadata=WRITE)
    axis: int
    entries: int | None = None
    like: str | None = field(default=None, metadata=READ)


@final
@dataclass(frozen=True, slots=True)
class Repeat(Part):
    """A value that is the same for all pictures, once for each: ``(1, ...)`` to ``(pictures, ...)``.

    Attributes:
        name: The value.
        to: The result.
    """

    name: str = field(metadata=READ)
    to: str = field(metadata=WRITE)


@final
@dataclass(frozen=True, slots=True)
class Pick(Part):
    """Some tokens of each text: ``(texts, tokens, ...)`` to ``(texts, kept, ...)``.

    Attributes:
        name: The value.
        places: Which tokens of each text, as ``Tokens`` writes them.
        to: The result.
    """

    name: str = field(metadata=READ)
    places: str = field(metadata=READ)
    to: str = field(metadata=WRITE)


@final
@dataclass(frozen=True, slots=True)
class Patches(Part):
    """``(rows, channels, height, width)`` to tokens ``(rows, tokens, channels * patch * patch)``.

    Attributes:
        name: The value.
        to: The tokens, row by row of the picture; in a token, channels are slowest and columns fastest.
        patch: Entries along one side of a token.
    """

    name: str = field(metadata=READ)
    to: str = field(metadata=WRITE)
    patch: int


@final
@dataclass(frozen=True, slots=True)
class Unpatches(Part):
    """Tokens back to ``(rows, channels, height, width)``; see ``Patches``.

    Attributes:
        name: The tokens.
        to: The result.
        like: A value of that height and width.
        patch: Entries along one side of a token.
    """

    name: str = field(metadata=READ)
    to: str = field(metadata=WRITE)
    like: str = field(metadata=READ)
    patch: int
