"""What lies between two seeds and between two prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgediff_runtimes.noise import NoiseSource, between, noise_source, per_image
from edgediff_runtimes.parts import Value
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.tensors import Array


def noise_of(settings: Settings) -> NoiseSource:
    """The noise of a run: for each picture that of its seed, or what lies between it and that of its variation seed."""
    sources = [noise_source(seed, settings.noise) for seed in settings.seeds]
    share = settings.variation_strength
    if share is not None:
        others = [noise_source(seed, settings.noise) for seed in settings.variation_seeds]
        sources = [between(first, second, share) for first, second in zip(sources, others, strict=True)]
    return per_image(sources)


def with_both(settings: Settings) -> Settings:
    """The settings for which texts are encoded: with both prompts of each picture where it lies between two.

    Both are encoded at once, so that models whose rows are as long as the longest text make them equally long.
    """
    if settings.blend is None or settings.blend == 0:
        return settings
    if settings.blend == 1:
        return replace(settings, prompts=settings.to_prompts)
    return replace(
        settings,
        prompts=(*settings.prompts, *settings.to_prompts),
        negative_prompts=settings.negative_prompts * 2,
        choices={name: value * 2 if isinstance(value, tuple) else value for name, value in settings.choices.items()},
    )


def blended(values: Mapping[str, Value], settings: Settings) -> dict[str, Value]:
    """What ``with_both`` had encoded, with one row per text again.

    Embeddings are mixed in a straight line and not along an arc: they are no noise whose variance has to be kept, and
    what cross-attention makes of them, keys and values, is linear in them. A mask has the tokens of both texts.

    Args:
        values: By name; those with a row per text have those of the prompts first, then those of ``to_prompts``.
        settings: Of the run.
    """
    if settings.blend is None or settings.blend in (0, 1):
        return dict(values)
    share, texts = settings.blend, settings.subjects
    return {
        name: Value(_mixed(value.array, texts, share), value.rows)
        if value.rows == "texts"
        else value
        if value.rows is None
        else Value(value.array[: settings.batch], value.rows)
        for name, value in values.items()
    }


def _mixed(array: Array, texts: int, share: float) -> Array:
    """Rows of the prompts, of the others, and of the negative prompts twice where there are any."""
    first, second, negative = array[:texts], array[texts : 2 * texts], array[2 * texts : 3 * texts]
    # The difference, so that what is the same in both stays the same to the last bit.
    is_float = array.dtype.kind == "f"
    mixed = first + np.float32(share) * (second - first) if is_float else np.maximum(first, second)
    return np.concatenate([mixed, negative])
