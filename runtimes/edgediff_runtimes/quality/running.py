"""A bundle together with how its graphs are computed; and pictures for which two of them join hands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import final

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.components import Components, Computed, Loaded, Residency
from edgediff_runtimes.engines import Device, Engine, EngineOptions, Graph, Session, engine_for, other_engines
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.pipeline import Pipeline


@final
@dataclass(frozen=True, slots=True)
class Runner:
    """A bundle, and how its graphs are computed.

    Attributes:
        bundle: The bundle.
        engine: What computes its graphs; None takes the default engine of each graph's format.
        device: A device of the engine, or ``auto``.
        options: Threads, memory and execution of the engine.
        residency: See ``Pipeline``.
    """

    bundle: Bundle
    engine: Engine | None = None
    device: str = "auto"
    options: EngineOptions = field(default_factory=EngineOptions)
    residency: Residency = "resident"

    def engine_of(self, role: str) -> Engine:
        """The engine that computes a component."""
        return self.engine or engine_for(self.bundle.graph(role).format, self.device)

    def device_of(self, role: str) -> str:
        """The name of the device that computes a component, where ``auto`` is the engine's default."""
        return self.engine_of(role).devices()[0].name if self.device == "auto" else self.device

    def load(self, role: str) -> Session:
        """Load a component's graph.

        Raises:
            BundleError: The bundle has no such component.
            EngineError: It cannot be loaded.
        """
        return self.engine_of(role).load(self.bundle.graph(role), device=self.device, options=self.options)

    def load_exact(self, role: str) -> Session:
        """Load a component's graph to be computed in f32, by another engine where its own cannot.

        Raises:
            SettingError: No engine here can.
            EngineError: It cannot be loaded.
        """
        graph, engine = self.bundle.graph(role), self.engine_of(role)
        options = replace(self.options, execution="f32")
        try:
            return engine.load(graph, device=self.device, options=options)
        except SettingError:
            other = next(other_engines(graph.format, than=engine.name), None)
            if other is None:
                raise
            return other.load(graph, device="auto", options=options)

    @contextmanager
    def use(self, role: str) -> Iterator[tuple[Loaded, Computed]]:
        """A component for as long as the block runs, and how it is computed."""
        components = Components(
            self.bundle, engine=self.engine, device=self.device, options=self.options, residency=self.residency
        )
        computed: dict[str, Computed] = {}
        try:
            with components.use(role, computed=computed) as loaded:
                yield loaded, computed[role]
        finally:
            components.close()

    def pipeline(self, *, replaced: Mapping[str, Runner] | None = None) -> Pipeline:
        """A pipeline of this bundle.

        Args:
            replaced: Components whose graphs another bundle gives, computed as its runner says. All else (tokenizer,
                schedule, latents) stays this bundle's.
        """
        return Pipeline(
            self.bundle,
            engine=self.engine if replaced is None else _JoinedEngine(self, replaced),
            device=self.device,
            options=self.options,
            residency=self.residency,
        )


@final
class _JoinedEngine:
    """Loads each graph as the runner that it belongs to says, whatever bundle it was asked from."""

    version = ""

    def __init__(self, runner: Runner, replaced: Mapping[str, Runner]) -> None:
        self._runner = runner
        self._replaced = replaced
        self.name = " and ".join(sorted({one.engine_of(role).name for role, one in replaced.items()}))

    def devices(self) -> tuple[Device, ...]:
        return (Device("auto", "each bundle's own"),)

    def execution(self, graph: Graph, *, device: str, options: EngineOptions) -> str:  # noqa: ARG002 - each runner's own
        if self._is_rescue(options):
            return "f32"
        runner = self._of(graph.role)
        own = runner.bundle.graph(graph.role)
        return runner.engine_of(graph.role).execution(own, device=runner.device, options=runner.options)

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:  # noqa: ARG002 - each runner's own
        runner = self._of(graph.role)
        return runner.load_exact(graph.role) if self._is_rescue(options) else runner.load(graph.role)

    def _of(self, role: str) -> Runner:
        return self._replaced.get(role, self._runner)

    def _is_rescue(self, options: EngineOptions) -> bool:
        """Whether a pipeline asks for another execution than at first: values were not finite, it wants them in f32."""
        return options.execution != self._runner.options.execution
