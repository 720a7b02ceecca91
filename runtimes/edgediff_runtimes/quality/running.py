"""A bundle together with how its graphs are computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import final

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.components import Components, Computed, Loaded
from edgediff_runtimes.engines import Engine, Session
from edgediff_runtimes.fixed_graphs import each_file, load_graph
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement


@final
@dataclass(frozen=True, slots=True)
class Runner:
    """A bundle, and where and how its graphs are computed."""

    bundle: Bundle
    placement: Placement = field(default_factory=Placement)

    def engine_of(self, role: str) -> Engine:
        """The engine that computes a component."""
        return self.placement.engine_of(self.bundle.graph(role))

    def device_of(self, role: str) -> str:
        """The name of the device that computes a component, where ``auto`` is the engine's default."""
        device = self.placement.device_of(role)
        return self.engine_of(role).devices()[0].name if device == "auto" else device

    def load(self, role: str) -> Session:
        """Load a component's graph.

        Raises:
            BundleError: The bundle has no such component.
            EngineError: It cannot be loaded.
        """
        graph, placement = self.bundle.graph(role), self.placement
        device, options = placement.device_of(role), placement.options_of(role)
        return load_graph(self.engine_of(role), graph, device=device, options=options)

    def check_loads(self, role: str) -> None:
        """Load every file of a component's graph, one after the other; see ``load``."""
        engine, placement = self.engine_of(role), self.placement
        for graph in each_file(self.bundle.graph(role)):
            engine.load(graph, device=placement.device_of(role), options=placement.options_of(role)).close()

    @contextmanager
    def use(self, role: str) -> Iterator[tuple[Loaded, Computed]]:
        """A component for as long as the block runs, and how it is computed."""
        components = Components(self.bundle, self.placement)
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
        others = {role: Components(other.bundle, other.placement) for role, other in (replaced or {}).items()}
        return Pipeline(self.bundle, self.placement, replaced=others)
