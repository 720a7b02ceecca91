"""An engine that notes how long the engine inside it takes, and what it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import final

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines import Device, Engine, EngineOptions, Graph, Session
from edgediff_runtimes.engines.wrapping import WrappedSession
from edgediff_runtimes.tensors import Array


@final
@dataclass(slots=True)
class CallLog:
    """What engines were asked, and how long they took.

    Attributes:
        loads: ``(role, seconds)`` of every load.
        calls: ``(role, seconds)`` of every call.
        feeds: For each role, dtype and shape of every input of its first call.
        on_end: Told ``(what, role)`` of a graph at every turn: ``rest`` as it is about to be loaded, ``load`` when it
            is, ``use`` as it is about to be freed, ``free`` when it is.
    """

    loads: list[tuple[str, float]] = field(default_factory=list)
    calls: list[tuple[str, float]] = field(default_factory=list)
    feeds: dict[str, dict[str, tuple[str, tuple[int, ...]]]] = field(default_factory=dict)
    on_end: Callable[[str, str], None] = lambda _what, _role: None


@final
class TimedEngine:
    """Wraps an engine; what is left of a run's time beside its calls is the cost of our own loop.

    Attributes:
        name: The wrapped engine's.
        version: The wrapped engine's.
    """

    def __init__(self, engine: Engine, log: CallLog) -> None:
        self._engine = engine
        self._log = log
        self.name = engine.name
        self.version = engine.version

    def devices(self) -> tuple[Device, ...]:
        """Those of the wrapped engine."""
        return self._engine.devices()

    def execution(self, graph: Graph, *, device: str, options: EngineOptions) -> str:
        """That of the wrapped engine; see ``Engine.execution``."""
        return self._engine.execution(graph, device=device, options=options)

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:
        """Load in the wrapped engine."""
        self._log.on_end("rest", graph.role)
        began = time.perf_counter()
        session = self._engine.load(graph, device=device, options=options)
        self._log.loads.append((graph.role, time.perf_counter() - began))
        self._log.on_end("load", graph.role)
        return _TimedSession(graph.role, session, self._log)


@final
class _TimedSession(WrappedSession):
    def __init__(self, role: str, session: Session, log: CallLog) -> None:
        super().__init__(session)
        self._role = role
        self._log = log

    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        if self._role not in self._log.feeds:
            self._log.feeds[self._role] = {name: (str(a.dtype), a.shape) for name, a in feeds.items()}
        began = time.perf_counter()
        outputs = super().run(feeds, cancel=cancel)
        self._log.calls.append((self._role, time.perf_counter() - began))
        return outputs

    def close(self) -> None:
        self._log.on_end("use", self._role)
        super().close()
        self._log.on_end("free", self._role)
