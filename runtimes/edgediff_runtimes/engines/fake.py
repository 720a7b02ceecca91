"""An engine without graphs: a function answers for every component. For tests, ours and users'."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, final

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.base import Device, EngineOptions, Graph, Session
from edgediff_runtimes.errors import DeviceError, EngineError
from edgediff_runtimes.tensors import Array

Handler: TypeAlias = Callable[[str, Mapping[str, Array]], dict[str, Array]]


@final
class FakeEngine:
    """Answers runs with ``handler(role, feeds) -> outputs``; the graphs' files are never read.

    The tensors of a session are those of the manifest.

    Attributes:
        open_sessions: Roles of the sessions that are loaded and not closed, so that a test sees a leak.
    """

    name = "fake"
    version = "1"

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.open_sessions: list[str] = []

    def devices(self) -> tuple[Device, ...]:
        """One device, ``cpu``."""
        return (Device("cpu", "a function"),)

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:  # noqa: ARG002 - the seam's names
        """A session that asks the handler."""
        if device not in ("auto", "cpu"):
            raise DeviceError(device, available=[d.name for d in self.devices()])
        self.open_sessions.append(graph.role)
        return _FakeSession(graph, self._handler, self.open_sessions)


@final
class _FakeSession(Session):
    def __init__(self, graph: Graph, handler: Handler, open_sessions: list[str]) -> None:
        self.inputs = {spec.name: spec for spec in graph.inputs}
        self.outputs = {spec.name: spec for spec in graph.outputs}
        self._role = graph.role
        self._handler = handler
        self._open_sessions = open_sessions
        self._closed = False

    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        if self._closed:
            raise EngineError(f"the session of `{self._role}` is closed")
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
