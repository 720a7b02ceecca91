"""OpenVINO's graphs, loaded for a device."""

from __future__ import annotations

from typing import final

from edgediff_runtimes.compiled_cache import CompiledCache
from edgediff_runtimes.engines.base import Device, EngineOptions, Graph, Session
from edgediff_runtimes.engines.execution import choose_execution
from edgediff_runtimes.engines.forking import HomeProcess, keep_in_forks
from edgediff_runtimes.engines.openvino.compiling import Compiler
from edgediff_runtimes.engines.openvino.devices import Place, find_place, places, properties_of
from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.engines.openvino.session import OpenVinoSession
from edgediff_runtimes.errors import EngineError

_FORMATS = ("openvino", "onnx")
# All cores of a process share the library's threads: what one of them compiled leaves none of them usable in a fork.
_HOME = HomeProcess(settled=False)


@final
class OpenVinoEngine:
    """Loads OpenVINO IR and ONNX graphs; compiled graphs are kept in ``CompiledCache``.

    Raises:
        EngineError: Here and in every method: this process was forked from one in which OpenVINO had loaded a graph.
    """

    name = "openvino"
    version: str = ov.__version__.partition("-")[0]

    def __init__(self) -> None:
        _check_process()
        self._core = ov.Core()
        keep_in_forks(self._core)

    def devices(self) -> tuple[Device, ...]:
        """What OpenVINO finds: the CPU, GPUs, NPUs, and ``auto-plugin``, which is its choice among them."""
        _check_process()
        return tuple(place.device for place in places(self._core))

    def execution(self, graph: Graph, *, device: str, options: EngineOptions) -> str:
        """What a graph would be computed in; see ``Engine.execution``."""
        _check_process()
        return self._execution(graph, find_place(self._core, device), options)

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:
        """Load a graph; see ``Engine.load``."""
        if graph.format not in _FORMATS:
            raise EngineError(
                f"the engine `{self.name}` cannot load `{graph.role}`: its format is `{graph.format}`, "
                f"expected one of {', '.join(_FORMATS)}"
            )
        _check_process()
        place = find_place(self._core, device)
        execution = self._execution(graph, place, options)
        compiler = Compiler(
            core=self._core,
            graph=graph,
            place=place,
            execution=execution,
            properties=properties_of(self._core, place, execution=execution, threads=options.threads),
            cache=CompiledCache.of_user() if options.keep_compiled else CompiledCache(None),
        )
        _HOME.settle()
        session = OpenVinoSession(compiler, low_memory=options.low_memory, static=options.static is not None)
        if options.execution not in (None, session.execution):
            session.close()
            raise EngineError(
                f"OpenVINO computes `{graph.role}` in {session.execution} on `{place.device.name}`: "
                f"expected {options.execution}"
            )
        return session

    def _execution(self, graph: Graph, place: Place, options: EngineOptions) -> str:
        where = f"`{self.name}` on `{place.device.name}`"
        return choose_execution(graph.precision, options.execution, available=place.device.executions, where=where)


def _check_process() -> None:
    _HOME.check("OpenVINO", expected="it to be loaded after the fork only")
