"""Arithmetic on values, and random draws."""

from __future__ import annotations

import numpy as np

from edgediff_runtimes.parts.values import Context, Value, is_nothing, nothing, rows_of
from edgediff_runtimes.recipe.declarations import Affine, Cut, Gaussian, Join, Noise, Pad, Pick, Repeat, Sum
from edgediff_runtimes.recipe.declarations.arrays import Numbers
from edgediff_runtimes.tensors import Floats

# diffusers' DiagonalGaussianDistribution clips the logarithm of the variance to this range.
_LOGVAR_RANGE = (-30.0, 20.0)


def noise(part: Noise, context: Context) -> dict[str, Value]:
    """Unit-variance noise for every picture."""
    settings = context.settings
    shape: tuple[int, ...] = context.space.shape(width=settings.width, height=settings.height)
    if part.like is not None:
        shape = context.array(part.like).shape[1:]
    return {part.to: Value(context.rng.standard_normal((settings.batch, *shape)), "pictures")}


def gaussian(part: Gaussian, context: Context) -> dict[str, Value]:
    """A draw for every picture, or the mean where the caller wants the mode; of nothing there is none."""
    if is_nothing(context.values[part.moments]):
        return {part.to: nothing()}
    mean, logvar = np.split(context.array(part.moments), 2, axis=1)
    batch = context.settings.batch
    draws = np.repeat(mean, batch, axis=0) if len(mean) == 1 else mean
    if context.settings.encode != "mode":
        std = np.exp(np.float32(0.5) * np.clip(logvar, *_LOGVAR_RANGE))
        draws = draws + std * context.rng.standard_normal(draws.shape)
    return {part.to: Value(draws, "pictures")}


def join(part: Join, context: Context) -> dict[str, Value]:
    """Values one behind the other."""
    values = [context.values[name] for name in part.names]
    return {part.to: Value(np.concatenate([value.array for value in values], axis=part.axis), rows_of(*values))}


def total(part: Sum, context: Context) -> dict[str, Value]:
    """The sum of values, each weighed where there are weights; what weighs 0 is left out."""
    values = [context.values[name] for name in part.names]
    terms = [value.array.astype(np.float32, copy=False) for value in values]
    if part.weights:
        weights = [np.float32(context.array(name).item()) for name in part.weights]
        terms = [term * weight for term, weight in zip(terms, weights, strict=True) if weight]
    if not terms:
        return {part.to: nothing()}
    array = terms[0]
    for term in terms[1:]:
        array = array + term
    return {part.to: Value(array, rows_of(*values))}


def affine(part: Affine, context: Context) -> dict[str, Value]:
    """``(value - minus) * times / over + plus``; what is as declared by default is left out."""
    value = context.values[part.name]
    array: Floats = value.array.astype(np.float32, copy=False)
    if part.minus != 0:
        array = array - _numbers(part.minus, array.ndim)
    if part.times != 1:
        array = array * _numbers(part.times, array.ndim)
    if part.over != 1:
        array = array / _numbers(part.over, array.ndim)
    if part.plus != 0:
        array = array + _numbers(part.plus, array.ndim)
    return {part.to: Value(array, value.rows)}


def pad(part: Pad, context: Context) -> dict[str, Value]:
    """Zeros behind a value."""
    value = context.values[part.name]
    widths = [(0, 0)] * value.array.ndim
    widths[part.axis] = (0, part.length - value.array.shape[part.axis])
    return {part.to: Value(np.pad(value.array, widths), value.rows)}


def cut(part: Cut, context: Context) -> dict[str, Value]:
    """The first entries along an axis; of nothing, nothing."""
    value = context.values[part.name]
    if is_nothing(value):
        return {part.to: nothing()}
    entries = context.array(part.like).shape[part.axis] if part.like is not None else part.entries
    places = np.arange(value.array.shape[part.axis] if entries is None else entries)
    return {part.to: Value(value.array.take(places, axis=part.axis), value.rows)}


def repeat(part: Repeat, context: Context) -> dict[str, Value]:
    """The same row for every picture."""
    return {part.to: Value(np.repeat(context.array(part.name), context.settings.batch, axis=0), "pictures")}


def _numbers(numbers: Numbers, rank: int) -> Floats:
    """One number as it is, one per channel along the second of ``rank`` axes."""
    array = np.asarray(numbers, np.float32)
    return array if array.ndim == 0 else array.reshape([-1] + [1] * (rank - 2))


def pick(part: Pick, context: Context) -> dict[str, Value]:
    """Some tokens of each text."""
    value = context.values[part.name]
    places = context.array(part.places)
    wide = places.reshape(*places.shape, *(1,) * (value.array.ndim - 2))
    return {part.to: Value(np.take_along_axis(value.array, wide, axis=1), value.rows)}
