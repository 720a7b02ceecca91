"""Values: named arrays that know what their first axis counts; and what the parts of a run share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, final

import numpy as np
from PIL import Image

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.components import Loaded
from edgediff_runtimes.noise import NoiseSource
from edgediff_runtimes.recipe.recipe import Guidance, Space
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.tensors import Array
from edgediff_runtimes.text import Encoder
from edgediff_runtimes.text.syntax import Text, Weighted

# `texts`: a row per text, those of the guided branch first and those of the unguided one behind them, where they
# differ. `variants`: a row per different text that a prompt is at some step, see ``running/prompts.py``. `pictures`: a
# row per picture, the same in every branch. None: no rows, the same for all.
Rows: TypeAlias = Literal["variants", "texts", "pictures"] | None


@final
@dataclass(frozen=True, slots=True)
class Value:
    """An array, and what its first axis counts.

    Attributes:
        array: The array.
        rows: What its first axis counts.
        weighted: Texts of which it has the ids in several rows each, which a text encoder makes one of; else empty.
    """

    array: Array
    rows: Rows = None
    weighted: tuple[Weighted, ...] = ()


@final
@dataclass(slots=True)
class Context:
    """What the parts of a stage share while it runs.

    Attributes:
        stage: The stage's name.
        settings: Of the run.
        space: Of the stage.
        pictures: What the caller gave, by option; where an option takes several, by ``picture_name``.
        tokenizers: By directory.
        compute: Gives the component of a role, loaded.
        rng: Where random draws come from.
        cancel: Ends the run, also inside a graph.
        values: What was written so far, by name.
        step: The sampling step in progress, from 0, or None.
        call: The call of the network in progress, from 0.
        calls: Calls of the network in the whole run.
        images: What the last part of the result made.
        texts: What the prompts are, as a syntax reads them; None: they are texts themselves.
    """

    stage: str
    settings: Settings
    space: Space
    pictures: Mapping[str, Image.Image]
    tokenizers: Mapping[str, Encoder]
    compute: Callable[[str], Loaded]
    rng: NoiseSource
    cancel: CancelToken
    values: dict[str, Value] = field(default_factory=dict)
    step: int | None = None
    call: int = 0
    calls: int = 1
    images: list[Image.Image] = field(default_factory=list)
    texts: tuple[Text, ...] | None = None

    def array(self, name: str) -> Array:
        """The array of a value."""
        return self.values[name].array


def nothing() -> Value:
    """One entry that is 0: what stands where there is no array, and counts for every entry of one."""
    return Value(np.zeros(1, np.float32))


def is_nothing(value: Value) -> bool:
    """Whether it is one entry that is 0."""
    return value.array.size == 1 and not value.array.any()


def rows_of(*values: Value) -> Rows:
    """What the first axis of a result counts that was made from these values."""
    kinds = {value.rows for value in values}
    return next((rows for rows in ("variants", "texts", "pictures") if rows in kinds), None)


def branches(
    values: Mapping[str, Value], settings: Settings, guidance: Guidance, variants: Sequence[int] = ()
) -> tuple[dict[str, Value], ...]:
    """The values as the network takes them, with a row per picture: of each branch, the guided one first.

    Args:
        values: As the parts wrote them.
        settings: Say how many texts and pictures there are, and whether there are unguided branches.
        guidance: Says which values are zeros in the unguided branch where no negative prompt was given, and whether
            there is another one, without the caller's picture.
        variants: The row of each text in values of ``variants``.
    """
    values = {
        name: Value(value.array[list(variants)], "texts") if value.rows == "variants" else value
        for name, value in values.items()
    }
    texts, each = settings.subjects, settings.images_per_prompt
    guided = {name: _rows(value, slice(0, texts), each) for name, value in values.items()}
    if not settings.guided:
        return (guided,)
    unguided = {}
    for name, value in values.items():
        both = value.rows == "texts" and len(value.array) > texts
        rows = _rows(value, slice(texts, None) if both else slice(0, texts), each)
        unguided[name] = Value(np.zeros_like(rows.array), rows.rows) if name in guidance.zeros and not both else rows
    if guidance.picture_scale is None:
        return guided, unguided
    zeros = {name: Value(np.zeros_like(unguided[name].array), unguided[name].rows) for name in guidance.pictures}
    return guided, unguided, {**unguided, **zeros}


def _rows(value: Value, texts: slice, each: int) -> Value:
    if value.rows != "texts":
        return value
    return Value(np.repeat(value.array[texts], each, axis=0), "pictures")
