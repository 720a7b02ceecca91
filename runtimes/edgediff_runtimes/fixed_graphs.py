"""Graphs for inputs of one shape: which of them computes a call, and calls for more rows than a graph has.

What needs them is a processor that compiles a graph for one shape. Such graphs have one row as a rule, so that guidance
and several pictures are one call after the other.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias, final

import numpy as np

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.base import Engine, EngineOptions, Graph, Session, Share
from edgediff_runtimes.errors import EngineError
from edgediff_runtimes.tensors import Array, TensorSpec

# The axis along which a call is cut into several.
ROWS = "batch"
_KEPT = 1  # graph that stays loaded: a picture needs no other, and each holds all weights in memory
_Feeds: TypeAlias = dict[str, Array]


def load_graph(engine: Engine, graph: Graph, *, device: str, options: EngineOptions) -> Session:
    """Load a graph, whether it is one file or several, see ``Engine.load``.

    Raises:
        DeviceError: No such device here.
        SettingError: The engine or the device cannot apply an option.
        EngineError: The graph cannot be loaded.
    """
    if not graph.fixed:
        return engine.load(graph, device=device, options=options)
    return FixedSession(engine, graph, device=device, options=options)


def each_file(graph: Graph) -> tuple[Graph, ...]:
    """The graph as an engine loads it: itself, or one for each of its files, whose inputs have lengths alone."""
    if not graph.fixed:
        return (graph,)
    return tuple(
        replace(graph, path=path, inputs=tuple(_filled(spec, axes) for spec in graph.inputs), fixed={})
        for path, axes in graph.fixed.items()
    )


@final
class FixedSession(Session):
    """A graph that is several files: the first is loaded at once, the others when a call first needs them."""

    def __init__(self, engine: Engine, graph: Graph, *, device: str, options: EngineOptions) -> None:
        self._files = each_file(graph)
        self._axes = tuple(graph.fixed.values())
        self._load = partial(engine.load, device=device, options=options)
        self._role = graph.role
        self._lock = threading.Lock()
        self._sessions: OrderedDict[Path, Session] = OrderedDict()
        self._users: Counter[Path] = Counter()
        self._closed = False
        self._last = self._sessions[self._files[0].path] = self._load(self._files[0])
        # Which axis is which the manifest says; engines know of what kind the numbers are.
        kinds = {name: spec.dtype for name, spec in self._last.inputs.items()}
        self.inputs = {spec.name: replace(spec, dtype=kinds.get(spec.name, spec.dtype)) for spec in graph.inputs}
        self.outputs = {spec.name: spec for spec in graph.outputs}
        self.execution, self.threads = self._last.execution, self._last.threads

    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        """Compute the graph; see ``Session.run``."""
        index, calls = self._calls(feeds)
        with self._use(self._files[index]) as session:
            results = [session.run(call, cancel=cancel) for call in calls]
            self.threads = session.threads
        if len(results) == 1:
            return results[0]
        return {name: np.concatenate([one[name] for one in results], axis=self._rows_of(name)) for name in results[0]}

    def close(self) -> None:
        """Free the graphs; a run that is under way keeps its own until it is done."""
        with self._lock:
            self._closed = True
            self._free()

    def shares(self) -> Mapping[str, Share]:
        """Those of the graph that was computed last; see ``Session.shares``."""
        return self._last.shares()

    def left(self) -> tuple[str, ...]:
        """Those of the graph that was computed last; see ``Session.left``."""
        return self._last.left()

    def _calls(self, feeds: Mapping[str, Array]) -> tuple[int, list[_Feeds]]:
        """The place of the graph that fits the feeds, and what it is called with, once or row by row.

        Raises:
            EngineError: None fits.
        """
        asked = {
            axis: length
            for name, spec in self.inputs.items()
            for axis, length in zip(spec.shape, feeds[name].shape, strict=True)
            if isinstance(axis, str)
        }
        for index, axes in enumerate(self._axes):
            rows, most = asked.get(ROWS, 1), axes.get(ROWS, 1)
            if rows % most == 0 and all(axes[axis] == length for axis, length in asked.items() if axis != ROWS):
                return index, self._cut(feeds, rows // most)
        got, known = _said(asked), "; or ".join(dict.fromkeys(map(_said, self._axes)))
        raise EngineError(f"no graph of `{self._role}` is for {got}: expected {known}", hint=_HINT)

    def _cut(self, feeds: Mapping[str, Array], count: int) -> list[_Feeds]:
        if count == 1:
            return [dict(feeds)]
        parts = {
            name: np.split(feeds[name], count, axis=spec.shape.index(ROWS))
            if ROWS in spec.shape
            else [feeds[name]] * count
            for name, spec in self.inputs.items()
        }
        return [{name: part[index] for name, part in parts.items()} for index in range(count)]

    def _rows_of(self, output: str) -> int:
        """The axis of an output that grows with the rows: an axis may be a multiple of them."""
        spec = self.outputs.get(output)
        shape = () if spec is None else spec.shape
        return next((index for index, axis in enumerate(shape) if re.search(rf"\b{ROWS}\b", str(axis))), 0)

    @contextmanager
    def _use(self, graph: Graph) -> Iterator[Session]:
        with self._lock:
            if self._closed:
                raise EngineError(f"the session of `{self._role}` is closed")
            session = self._sessions.pop(graph.path, None) or self._load(graph)
            self._sessions[graph.path] = session
            self._users[graph.path] += 1
            self._last = session
        try:
            yield session
        finally:
            with self._lock:
                self._users[graph.path] -= 1
                self._free()

    def _free(self) -> None:
        """Free what no run is using: beyond those that are kept, or all of it once the session is closed."""
        most = 0 if self._closed else _KEPT
        unused = [path for path in self._sessions if not self._users[path]]
        for path in unused[: max(len(self._sessions) - most, 0)]:
            self._sessions.pop(path).close()


def _filled(spec: TensorSpec, axes: Mapping[str, int]) -> TensorSpec:
    return replace(spec, shape=tuple(axes[axis] if isinstance(axis, str) else axis for axis in spec.shape))


def _said(axes: Mapping[str, int]) -> str:
    return ", ".join(f"{axis} {length}" for axis, length in sorted(axes.items()) if axis != ROWS)


_HINT = "the bundle was exported with graphs of fixed sizes; one without draws any size, and prompts of any length"
