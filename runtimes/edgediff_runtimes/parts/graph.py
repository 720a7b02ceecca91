"""A graph of the bundle is computed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.parts.fitting import fitting
from edgediff_runtimes.parts.tiling import LEAST, tiled
from edgediff_runtimes.parts.values import Context, Value, is_nothing, nothing, rows_of
from edgediff_runtimes.recipe.declarations import Graph
from edgediff_runtimes.tensors import Array, TensorSpec
from edgediff_runtimes.text.syntax import in_texts

Compute: TypeAlias = Callable[[dict[str, Array]], dict[str, Array]]


def compute(part: Graph, context: Context) -> dict[str, Value]:
    """The wanted outputs of the graph, in float32 where they are floats; their rows are those of what it is fed."""
    if part.when is not None and is_nothing(context.values[part.when]):
        return dict.fromkeys(part.takes.values(), nothing())
    loaded = context.compute(part.role)
    feeds = {name: context.values[value] for name, value in part.feeds.items()}
    rows = rows_of(*feeds.values())
    arrays = {name: value.array for name, value in feeds.items()}
    for name, array in arrays.items():
        _check_whole(array, loaded.inputs.get(name))

    def run(arrays: dict[str, Array]) -> dict[str, Array]:
        return loaded.run(arrays, tuple(part.takes), cancel=context.cancel, step=context.step)

    tile = context.settings.tile if part.tiled else None
    compute = run if tile is None else partial(_in_tiles, run, context, max(tile // context.space.factor, LEAST))
    if part.alone:
        outputs = _one_by_one(compute, arrays, counted=[name for name, value in feeds.items() if value.rows == rows])
    else:
        outputs = compute(arrays)
    widened = {name: _widened(outputs[output]) for output, name in part.takes.items()}
    weighted = next((value.weighted for value in feeds.values() if value.weighted), ())
    if weighted:
        with fitting(context.stage, "prompt"):
            widened = {name: in_texts(weighted, array) for name, array in widened.items()}
    return {name: Value(array, rows) for name, array in widened.items()}


def _one_by_one(compute: Compute, feeds: dict[str, Array], *, counted: list[str]) -> dict[str, Array]:
    """The outputs of one call per row, put together."""
    calls = []
    for index in range(len(feeds[counted[0]])):
        row = {name: array[index : index + 1] if name in counted else array for name, array in feeds.items()}
        calls.append(compute(row))
    return {output: np.concatenate([call[output] for call in calls]) for output in calls[0]}


def _in_tiles(compute: Compute, context: Context, side: int, feeds: dict[str, Array]) -> dict[str, Array]:
    """The outputs tile by tile, where the picture is larger than a tile."""
    [(name, array)] = feeds.items()
    settings = context.settings
    _, rows, columns = context.space.shape(width=settings.width, height=settings.height)
    return tiled(
        lambda tile: compute({name: tile}),
        array,
        rows=rows,
        columns=columns,
        side=side,
        fits=lambda: fitting(context.stage, "tile"),
    )


def _check_whole(array: Array, spec: TensorSpec | None) -> None:
    """A graph that takes whole time steps must not be given others: they would be cut off unsaid."""
    if spec is None or np.dtype(spec.dtype).kind != "i" or array.dtype.kind != "f":
        return
    if not np.array_equal(array, np.trunc(array)):
        raise SamplerError(
            "sampler",
            got=f"one with the time step {float(array.flat[0]):.2f}",
            expected="one with whole time steps, because this bundle's graph takes integers",
            hint="`timestep_spacing=leading` gives whole steps; a graph exported by edgediff takes any",
        )


def _widened(array: Array) -> Array:
    return array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array
