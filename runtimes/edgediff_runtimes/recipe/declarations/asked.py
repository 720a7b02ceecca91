"""Parts that turn what the caller asks for into arrays: texts, numbers, sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, final

from edgediff_runtimes.recipe.part import OPTION, READ, WRITE, Part


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
        grids: Rows and columns of pictures that texts are about, as ``WindowPatches`` writes them; None: none are.
        picture: What stands in front of a prompt for each of these, its number, from 1, in place of ``{}``.
        picture_mark: What of that stands there once for each of the picture's tokens; ``length`` does not count them.
    """

    ALWAYS: ClassVar = ("prompt", "negative_prompt", "to_prompt", "blend")
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
    grids: str | None = field(default=None, metadata=READ)
    picture: str = ""
    picture_mark: str = ""


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
