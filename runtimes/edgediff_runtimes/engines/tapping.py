"""An engine that lets a function see every call of the engine inside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, final

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.base import Device, Engine, EngineOptions, Graph, Session
from edgediff_runtimes.engines.wrapping import WrappedSession
from edgediff_runtimes.tensors import Array

OnCall: TypeAlias = Callable[[str, Mapping[str, Array], Mapping[str, Array]], None]


@final
class TappingEngine:
    """Wraps an engine; ``on_call(role, feeds, outputs)`` is told every run that succeeded.

    The arrays are those of the call itself, in the dtypes of the graph: they must not be written to, and what is to
    outlive the call is for ``on_call`` to copy. An exception that it raises ends the run. It is called on the thread
    that runs the session.

    Attributes:
        name: The wrapped engine's.
        version: The wrapped engine's.
    """

    def __init__(self, engine: Engine, on_call: OnCall) -> None:
        self._engine = engine
        self._on_call = on_call
        self.name = engine.name
        self.version = engine.version

    def devices(self) -> tuple[Device, ...]:
        """Those of the wrapped engine."""
        return self._engine.devices()

    def execution(self, graph: Graph, *, device: str, options: EngineOptions) -> str:
        """That of the wrapped engine; see ``Engine.execution``."""
        return self._engine.execution(graph, device=device, options=options)

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:
        """Load in the wrapped engine; see ``Engine.load``."""
        return _TappedSession(graph.role, self._engine.load(graph, device=device, options=options), self._on_call)


@final
class _TappedSession(WrappedSession):
    def __init__(self, role: str, session: Session, on_call: OnCall) -> None:
        super().__init__(session)
        self._role = role
        self._on_call = on_call

    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        outputs = super().run(feeds, cancel=cancel)
        self._on_call(self._role, feeds, outputs)
        return outputs
