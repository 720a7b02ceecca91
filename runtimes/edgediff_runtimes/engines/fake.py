"""An engine without graphs: a function answers for every component. For tests, ours and users'."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, final

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.base import Device, EngineOptions, Graph, Session
from edgediff_runtimes.engines.execution import choose_execution
from edgediff_runtimes.engines.forking import HomeProcess
from edgediff_runtimes.errors import DeviceError, EngineError
from edgediff_runtimes.tensors import Array

Handler: TypeAlias = Callable[[str, Mapping[str, Array]], dict[str, Array]]


@final
class FakeEngine:
    """Answers runs with ``handler(role, feeds) -> outputs``; the graphs' files are never read.

    The tensors of a session are those of the manifest. A session computes in f32, or in what ``lower`` has a function
    for: ``FakeEngine(exact, lower={"bf16": rough})`` is a device that has f32 and bf16.

    Attributes:
        open_sessions: Roles of the sessions that are loaded and not closed, so that a test sees a leak.
    """

    name = "fake"
    version = "1"

    def __init__(self, handler: Handler, *, lower: Mapping[str, Handler] | None = None) -> None:
        self._handlers = {"f32": handler, **(lower or {})}
        self.open_sessions: list[str] = []

    def devices(self) -> tuple[Device, ...]:
        """One device, ``cpu``."""
        return (Device("cpu", "a function", tuple(self._handlers)),)

    def execution(self, graph: Graph, *, device: str, options: EngineOptions) -> str:
        """What the graph's precision asks for among what there are functions for."""
        if device not in ("auto", "cpu"):
            raise DeviceError(device, available=[d.name for d in self.devices()])
        return choose_execution(graph.precision, options.execution, available=self._handlers, where="`fake`")

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:
        """A session that asks the handler of its execution."""
        execution = self.execution(graph, device=device, options=options)
        self.open_sessions.append(graph.role)
        return _FakeSession(graph, self._handlers[execution], execution, options.threads, self.open_sessions)


@final
class _FakeSession(Session):
    def __init__(
        self, graph: Graph, handler: Handler, execution: str, threads: int | None, open_sessions: list[str]
    ) -> None:
        self.inputs = {spec.name: spec for spec in graph.inputs}
        self.outputs = {spec.name: spec for spec in graph.outputs}
        self.execution = execution
        self.threads = threads
        self._role = graph.role
        self._handler = handler
        self._open_sessions = open_sessions
        self._closed = False
        self._home = HomeProcess()

    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        if self._closed:
            raise EngineError(f"the session of `{self._role}` is closed")
        self._home.check(f"`{self._role}`")
        if cancel is not None:
            cancel.check()
        outputs = self._handler(self._role, feeds)
        if cancel is not None:
            cancel.check()
        return outputs

    def close(self) -> None:
        if not self._closed:
            self._open_sessions.remove(self._role)
        self._closed = True
