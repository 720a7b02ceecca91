"""The parts that a recipe is made of. What each does is in ``parts/``.

A part reads *values* (arrays that earlier parts wrote) and *options* (what a caller may ask for), and writes values.
Names are chosen by the recipe. In the parts of a network, ``x`` is the sample at this step, scaled as the sampler
scales it, ``t`` the time step as one entry and ``t_rows`` the same once per row; what they write as ``prediction`` is
the answer that the sampler is given. In the parts of a result, ``x`` is the final sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias, final

from edgediff_runtimes.recipe.part import OPTION, READ, WRITE, Part

# One number, or one per channel (the second axis).
Numbers: TypeAlias = float | tuple[float, ...]


@final
@dataclass(frozen=True, slots=True)
class Tokens(Part):
    """Prompts to token ids: ``(texts, length)``, int64.

    Attributes:
        tokenizer: The directory of its files in the bundle.
        ids: Where the ids go.
        length: Tokens of a text at most, marks included; None: what the bundle says of the tokenizer.
        mask: Where 1 for text and 0 for padding goes; None: nowhere.
        positions: Where positions go that count from the first token that is no padding; None: nowhere.
        template: The text around a prompt, which stands for ``{}``.
        negative_template: The same for negative prompts; None: as for prompts.
        side: Where padding goes, ``right`` or ``left``.
        clean: ``lower``: texts are lowered and stripped first; empty: they are taken as they are.
        padding: How long rows get: ``length`` of them, or ``longest``, as long as the longest text of the call.
        multiple: With ``longest``, rows are made longer to a multiple of it.
        kept: Where the places of the tokens that ``Pick`` keeps go: ``(texts, tokens)``, int64; None: nowhere.
        dropped: Tokens at the beginning of a row that are not kept.
        head: The beginning of a template, an instruction. Where a text has it, a row has as many tokens as the head,
            marks included, and ``length`` - 2 more, of which the first and the last ``length`` - 1 are kept (Xie et
            al. 2024, "SANA", section 3.3, as its own code counts).
    """

    ALWAYS: ClassVar = ("prompt", "negative_prompt")
    tokenizer: str
    ids: str = field(metadata=WRITE)
    length: int | None = None
    mask: str | None = field(default=None, metadata=WRITE)
    positions: str | None = field(default=None, metadata=WRITE)
    template: str = "{}"
    negative_template: str | None = None
    side: Literal["right", "left"] = "right"
    clean: Literal["", "lower"] = ""
    padding: Literal["length", "longest"] = "length"
    multiple: int = 1
    kept: str | None = field(default=None, metadata=WRITE)
    dropped: int = 0
    head: str = ""


@final
@dataclass(frozen=True, slots=True)
class Graph(Part):
    """A graph of the bundle is computed.

    Attributes:
        role: Its component.
        feeds: The value that each input is fed.
        takes: The name that each wanted output gets.
        alone: One row at a time, so that memory is that of one picture.
        tiled: It is fed one value, of pictures or latents, and may be computed tile by tile, see ``parts/tiling.py``.
    """

    role: str
    feeds: dict[str, str] = field(metadata=READ)
    takes: dict[str, str] = field(metadata=WRITE)
    alone: bool = False
    tiled: bool = False


@final
@dataclass(frozen=True, slots=True)
class Sizes(Part):
    """Numbers that a network is told beside the text, such as sizes: ``(rows, fields)``, float32.

    Attributes:
        to: The value.
        fields: Each an option's name or a number.
        negative_fields: The same for the unguided branch; None: as for the other.
        defaults: Of options that the caller leaves out: a number, or the name of another option.
    """

    to: str = field(metadata=WRITE)
    fields: tuple[str | float, ...] = field(metadata=OPTION)
    negative_fields: tuple[str | float, ...] | None = field(default=None, metadata=OPTION)
    defaults: dict[str, str | float] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Choice(Part):
    """A number or a label of the caller's: ``(rows,)``, float32, or int64 where it has ``below``.

    Attributes:
        choice: The option.
        to: The value.
        default: What it is where the caller says nothing; None: the caller must say it.
        null: What the unguided branch gets; None: the same.
        below: It is a whole number from 0 and smaller than this; None: any finite number.
        names: Names that stand for whole numbers.
        scale: What a number is multiplied by.
    """

    choice: str = field(metadata=OPTION)
    to: str = field(metadata=WRITE)
    default: float | None = None
    null: float | None = None
    below: int | None = None
    names: dict[str, int] = field(default_factory=dict)
    scale: float = 1.0


@final
@dataclass(frozen=True, slots=True)
class Sinusoid(Part):
    """A number of the caller's as sines and cosines: ``(pictures, dim)``, float32.

    Luo et al. 2023, "Latent Consistency Models", section 4.2: a guidance scale is embedded like a time step.

    Attributes:
        choice: The option.
        to: The value.
        dim: Sines, then as many cosines.
        shift: Added to the number first.
        scale: What the sum is multiplied by.
    """

    choice: str = field(metadata=OPTION)
    to: str = field(metadata=WRITE)
    dim: int
    shift: float = 0.0
    scale: float = 1.0


@final
@dataclass(frozen=True, slots=True)
class GridIds(Part):
    """Row and column of each token of a picture, the same for all pictures: ``(tokens, axes)``, float32.

    Attributes:
        to: The value.
        axes: Numbers per token; those that are neither row nor column are zero.
        pixels: Pixels along one side of a token.
        row: The axis of the row; the column's is the next.
        within: Rows and columns are scaled so that the picture fits into the middle of a square with sides of so many
            (Li et al. 2024, "Hunyuan-DiT", section 2.1, as diffusers counts); None: they are counted from zero.
    """

    ALWAYS: ClassVar = ("width", "height")
    to: str = field(metadata=WRITE)
    axes: int
    pixels: int
    row: int = 1
    within: int | None = None


@final
@dataclass(frozen=True, slots=True)
class TextIds(Part):
    """Places of the tokens of a text, the same for all: ``(tokens, axes)``, float32.

    Attributes:
        to: The value.
        like: A value whose second axis is the tokens.
        axes: Numbers per token.
        count: The axis that counts them; None: all are zero.
    """

    to: str = field(metadata=WRITE)
    like: str = field(metadata=READ)
    axes: int
    count: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Picture(Part):
    """The caller's picture in the size of the run: ``(1, 3, height, width)``, float32 in [-1, 1], one for all.

    Attributes:
        choice: The option.
        to: The value.
    """

    ALWAYS: ClassVar = ("width", "height")
    choice: str = field(metadata=OPTION)
    to: str = field(metadata=WRITE)


@final
@dataclass(frozen=True, slots=True)
class Noise(Part):
    """Unit-variance noise of the stage's shape, for each picture from its own seed: ``(pictures, ...)``, float32.

    Attributes:
        to: The value; the sampler starts from the one that is called ``noise``.
    """

    to: str = field(default="noise", metadata=WRITE)


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
        axis: Along which axis, not the first; negative ones count from the end.
    """

    names: tuple[str, ...] = field(metadata=READ)
    to: str = field(metadata=WRITE)
    axis: int


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


@final
@dataclass(frozen=True, slots=True)
class Pictures(Part):
    """The last part of a result that is pictures.

    Attributes:
        name: ``(pictures, 1 or 3, height, width)`` in [-1, 1]; what lies outside is cut off.
    """

    name: str = field(metadata=READ)


# By their names in a manifest. A reader that lacks one refuses the bundle and says which.
KINDS: dict[str, type[Part]] = {
    "tokens": Tokens,
    "graph": Graph,
    "sizes": Sizes,
    "choice": Choice,
    "sinusoid": Sinusoid,
    "grid_ids": GridIds,
    "text_ids": TextIds,
    "picture": Picture,
    "noise": Noise,
    "gaussian": Gaussian,
    "join": Join,
    "affine": Affine,
    "pad": Pad,
    "pick": Pick,
    "patches": Patches,
    "unpatches": Unpatches,
    "pictures": Pictures,
}
