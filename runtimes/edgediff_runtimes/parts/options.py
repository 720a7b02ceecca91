"""Options of the caller as arrays."""

from __future__ import annotations

import numpy as np

from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import Choice, Sinusoid, Sizes
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.tensors import Floats


def sizes(part: Sizes, context: Context) -> dict[str, Value]:
    """One row of numbers per text; the unguided branch has its own where its fields are others."""
    settings = context.settings
    rows = [_numbers(part.fields, settings)] * settings.subjects
    if settings.guided and part.negative_fields is not None:
        rows += [_numbers(part.negative_fields, settings)] * settings.subjects
    return {part.to: Value(np.array(rows, np.float32), "texts")}


def choice(part: Choice, context: Context) -> dict[str, Value]:
    """One entry per text; the unguided branch gets the null where there is one."""
    settings = context.settings
    chosen = settings.option(part.choice)
    entries = list(chosen) if isinstance(chosen, tuple) else [chosen] * settings.subjects
    if settings.guided and part.null is not None:
        entries += [part.null] * settings.subjects
    dtype = np.float32 if part.below is None else np.int64
    scaled = np.array(entries, np.float64) * part.scale
    return {part.to: Value(scaled.astype(dtype), "texts")}


def sinusoid(part: Sinusoid, context: Context) -> dict[str, Value]:
    """The same row for every picture."""
    number = float(context.settings.option(part.choice))
    row = embedding((number + part.shift) * part.scale, dim=part.dim)
    return {part.to: Value(np.repeat(row[None], context.settings.batch, axis=0), "pictures")}


def embedding(phase: float, *, dim: int) -> Floats:
    """``dim`` sines and cosines of a number at frequencies from 1 down to 1 / 10 000, float32."""
    half = dim // 2
    frequencies = np.exp(np.arange(half, dtype=np.float32) * np.float32(-np.log(10_000.0) / (half - 1)))
    angles = np.float32(phase) * frequencies
    return np.concatenate([np.sin(angles), np.cos(angles), np.zeros(dim % 2, np.float32)])


def _numbers(fields: tuple[str | float, ...], settings: Settings) -> list[float]:
    return [float(settings.option(field)) if isinstance(field, str) else field for field in fields]
