"""ncnn's graphs, loaded for a device."""

from __future__ import annotations

from typing import final

from edgediff_runtimes.engines.base import Device, EngineOptions, Graph, Session
from edgediff_runtimes.engines.execution import choose_execution
from edgediff_runtimes.engines.ncnn.devices import Place, find_place, gpus, processor
from edgediff_runtimes.engines.ncnn.library import ncnn
from edgediff_runtimes.engines.ncnn.session import NcnnSession, open_net
from edgediff_runtimes.engines.ncnn.weights import unchanging
from edgediff_runtimes.errors import EngineError, SettingError

_FORMAT = "ncnn"


@final
class NcnnEngine:
    """Loads a ``.param`` file and the ``.bin`` beside it. Graphs have fixed shapes, and one row each."""

    name = "ncnn"
    version: str = ncnn.__version__

    def devices(self) -> tuple[Device, ...]:
        """The processor, then the GPUs that Vulkan finds."""
        return tuple(place.device for place in (processor(), *gpus()))

    def execution(self, graph: Graph, *, device: str, options: EngineOptions) -> str:
        """What a graph would be computed in; see ``Engine.execution``."""
        return self._execution(graph, find_place(device), options)

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:
        """Load a graph; see ``Engine.load``."""
        if graph.format != _FORMAT:
            raise EngineError(
                f"the engine `{self.name}` cannot load `{graph.role}`: its format is `{graph.format}`, "
                f"expected `{_FORMAT}`"
            )
        if graph.change is not None:
            raise unchanging(graph)
        place = find_place(device)
        execution = self._execution(graph, place, options)
        net = open_net(graph, place, execution=execution, options=options)
        return NcnnSession(graph, net, place, execution=execution)

    def _execution(self, graph: Graph, place: Place, options: EngineOptions) -> str:
        if options.static is not None:
            expected = f"none, because graphs of `{_FORMAT}` are exported for their sizes"
            raise SettingError("static", got="{}x{}".format(*options.static), expected=expected)
        if options.threads is not None and place.gpu is not None:
            raise SettingError(
                "threads", got=options.threads, expected=f"nothing, because `{place.device.name}` has its own"
            )
        where = f"`{self.name}` on `{place.device.name}`"
        return choose_execution(graph.precision, options.execution, available=place.device.executions, where=where)
