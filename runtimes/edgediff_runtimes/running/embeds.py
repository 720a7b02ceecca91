"""Embeddings of prompts in the hands of the caller: made alone, and taken in place of prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, final

import numpy as np

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.parts import Value
from edgediff_runtimes.recipe import Stage
from edgediff_runtimes.recipe.declarations import Graph, TextIds, Tokens
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.settings import Options
from edgediff_runtimes.settings.prompting import EMBEDS
from edgediff_runtimes.tensors import Array, Floats, TensorSpec
from edgediff_runtimes.untrusted.bounds import TOKENS

# The values of a recipe, each with the options that give it: of the prompts, of the negative ones.
_OPTIONS = {"text": EMBEDS[:2], "pooled": EMBEDS[2:]}
_AXES = {"text": "(prompts, tokens, width)", "pooled": "(prompts, width)"}


@final
@dataclass(frozen=True, slots=True)
class Embeddings:
    """What text encoders make of prompts, as the options of a run take it; float32.

    Attributes:
        prompt_embeds: ``(prompts, tokens, width)``.
        negative_prompt_embeds: Of the negative prompts, with as many tokens; None: there were none.
        pooled_prompt_embeds: ``(prompts, width)``; None: the network is told no such vectors.
        negative_pooled_prompt_embeds: Likewise.
    """

    prompt_embeds: Floats
    negative_prompt_embeds: Floats | None = None
    pooled_prompt_embeds: Floats | None = None
    negative_pooled_prompt_embeds: Floats | None = None

    @property
    def options(self) -> Options:
        """Those that there are, by option: ``pipeline(**embeddings.options)``."""
        found = {name: getattr(self, name) for name in EMBEDS}
        return cast("Options", {name: array for name, array in found.items() if array is not None})


@final
@dataclass(frozen=True, slots=True)
class TextSide:
    """The parts of a stage that make something of prompts, and what they make.

    Attributes:
        parts: In their order.
        values: What the other parts read of them: all that embeddings must stand for.
    """

    parts: tuple[Part, ...]
    values: tuple[str, ...]

    @classmethod
    def of(cls, stage: Stage) -> TextSide:
        """Of a stage."""
        parts: list[Part] = []
        written: set[str] = set()
        for part in stage.given:
            # Places of tokens depend on how many there are alone.
            if isinstance(part, Tokens) or (written.intersection(part.reads) and not isinstance(part, TextIds)):
                parts.append(part)
                written.update(part.writes)
        others = [part for phase in stage.phases.values() for part in phase if part not in parts]
        read = dict.fromkeys(name for part in others for name in part.reads if name in written)
        return cls(tuple(parts), tuple(read))

    def check(self, setting: str) -> None:
        """Refuse to take or give embeddings where they are more than states and pooled vectors.

        Raises:
            SettingError: They are.
        """
        if not self.parts or not {*self.values} <= _OPTIONS.keys() or "text" not in self.values:
            expected = "nothing, because the bundle's network is told more of a prompt than its embeddings"
            raise SettingError(setting, got="arrays", expected=expected)


def split_embeds(options: Options) -> tuple[dict[str, Array], Options]:
    """The arrays among the options, and the options with as many empty texts as they stand for.

    Raises:
        SettingError: One is no array, or there are some without those that they go with.
    """
    arrays = {name: cast("Mapping[str, Any]", options).get(name) for name in EMBEDS}
    given = {name: array for name, array in arrays.items() if array is not None}
    if not given:
        return {}, options
    for name, array in given.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.ndim != (2 if "pooled" in name else 3):
            raise SettingError(name, got=array, expected=f"a NumPy array of floats, {_AXES[_value_of(name)]}")
        if not np.isfinite(array).all():
            raise SettingError(name, got="an array with NaN or infinity", expected="finite numbers")
    for name, beside in ((EMBEDS[0], next(iter(given))), (EMBEDS[1], EMBEDS[3])):
        if name not in given and beside in given:
            raise SettingError(name, got=None, expected=f"an array, because there is `{beside}`")
    for name in ("syntax", "clip_skip", "negative_prompt", "to_prompt"):
        if (other := cast("Mapping[str, Any]", options).get(name)) is not None:
            raise SettingError(name, got=other, expected="nothing beside `prompt_embeds`", hint="`encode` takes it")
    texts = {"negative_prompt": [""] * len(given[EMBEDS[0]])} if EMBEDS[1] in given else {}
    return given, cast("Options", {**options, **texts})


def of_prompt(given: Mapping[str, Array], index: int) -> dict[str, Array]:
    """What stands for one prompt of several; an array of one row stands for all of them.

    Args:
        given: Of ``split_embeds``.
        index: Of the prompt.
    """
    return {name: array if len(array) == 1 else array[index : index + 1] for name, array in given.items()}


def embeds_of(
    given: Mapping[str, Array],
    side: TextSide,
    stage: Stage,
    specs: Mapping[str, Sequence[TensorSpec]],
    *,
    negative: bool,
) -> dict[str, Value]:
    """The values that embeddings are, as the text encoders would have written them.

    Args:
        given: Of ``split_embeds``.
        side: Of the stage.
        stage: The stage.
        specs: What the graph of each component takes.
        negative: Whether those of negative prompts are read.

    Raises:
        SettingError: An array is missing, is too many, or has not the shape that the network takes.
    """
    side.check(EMBEDS[0])
    count, tokens = given[EMBEDS[0]].shape[:2]
    if not 1 <= tokens <= TOKENS.most:
        raise SettingError(EMBEDS[0], got=f"an array of {tokens} tokens", expected=TOKENS.expected)
    found = {}
    for value, names in _OPTIONS.items():
        width = _width(value, stage, specs)
        if value not in side.values:
            for name in names:
                if name in given:
                    raise SettingError(name, got="an array", expected="nothing, because the network takes none")
            continue
        wanted = names if negative else names[:1]
        if missing := [name for name in wanted if name not in given]:
            hint = '`pipeline.encode(prompt, "")` gives those of an empty negative prompt, too'
            raise SettingError(missing[0], got=None, expected="an array as well", hint=hint)
        arrays = []
        for name in wanted:
            array = given[name].astype(np.float32)
            shape = (count, tokens) if value == "text" else (count,)
            if name != names[0] and len(array) == 1:
                array = np.repeat(array, count, axis=0)
            if array.shape[:-1] != shape or (width is not None and array.shape[-1] != width):
                got = f"an array of shape {list(given[name].shape)}"
                raise SettingError(name, got=got, expected=f"{[*shape, width or array.shape[-1]]}")
            arrays.append(array)
        found[value] = Value(np.concatenate(arrays), "texts")
    return found


def embeddings_of(
    values: Mapping[str, Value], side: TextSide, *, count: int, variants: Sequence[int] | None
) -> Embeddings:
    """What the text encoders wrote, of prompts and negative prompts.

    Args:
        values: As they were written.
        side: Of the stage.
        count: Prompts; the negative ones are behind them.
        variants: The row of each text, as in ``parts.values.branches``; None: they are in their order.
    """
    rows = {value: values[value].array for value in side.values}
    if variants is not None:
        rows = {value: array[list(variants)] for value, array in rows.items()}
    pairs = [(_OPTIONS[value], (array[:count], array[count:])) for value, array in rows.items()]
    found = {name: part for names, parts in pairs for name, part in zip(names, parts, strict=True) if len(part)}
    return Embeddings(**found)


def fingerprints(given: Mapping[str, Array]) -> dict[str, str]:
    """SHA-256 of each array's shape and float32 values, in hexadecimal digits."""
    hashes = {}
    for name, array in given.items():
        shape = "x".join(map(str, array.shape))
        hashes[name] = hashlib.sha256(shape.encode() + array.astype("<f4").tobytes()).hexdigest()
    return hashes


def without_texts(stage: Stage, side: TextSide) -> Stage:
    """The stage without the parts that embeddings stand for."""
    return replace(stage, given=tuple(part for part in stage.given if part not in side.parts))


def _value_of(option: str) -> str:
    return next(value for value, names in _OPTIONS.items() if option in names)


def _width(value: str, stage: Stage, specs: Mapping[str, Sequence[TensorSpec]]) -> int | None:
    """The last axis of the input that a value feeds; None where the bundle does not say."""
    for part in stage.network:
        if isinstance(part, Graph):
            for spec in specs.get(part.role, ()):
                if part.feeds.get(spec.name) == value and isinstance(spec.shape[-1], int):
                    return spec.shape[-1]
    return None
