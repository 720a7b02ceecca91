"""A loaded Core ML package."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, final

import numpy as np

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.base import Graph, Session
from edgediff_runtimes.engines.coreml_names import feature_of
from edgediff_runtimes.engines.failing import failed
from edgediff_runtimes.engines.forking import HomeProcess, keep_in_forks
from edgediff_runtimes.errors import EngineError
from edgediff_runtimes.tensors import Array, TensorSpec


@final
class CoreMlSession(Session):
    """A package on one device. One call is computed at a time, and is not cancelled before its end."""

    def __init__(self, graph: Graph, model: Any, *, execution: str) -> None:  # noqa: ANN401 - untyped
        self._role = graph.role
        self.execution = execution
        self.inputs = {spec.name: spec for spec in graph.inputs}
        self.outputs = {spec.name: spec for spec in graph.outputs}
        self._home = HomeProcess()
        self._lock = threading.Lock()
        self._model = model
        keep_in_forks(model)

    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        """Compute the package; see ``Session.run``."""
        self._home.check(f"`{self._role}`")
        token, told = cancel or CancelToken(), self._checked(feeds)
        with self._lock:
            token.check()
            if self._model is None:
                raise EngineError(f"the session of `{self._role}` is closed")
            try:
                given = self._model.predict(told)
            except Exception as error:  # its exceptions share no base class
                raise failed(f"Core ML failed in `{self._role}`", str(error), error) from error
        token.check()
        features = {name: feature_of(name) for name in self.outputs}
        if missing := [name for name, feature in features.items() if feature not in given]:
            raise EngineError(f"Core ML failed in `{self._role}`: it gives no `{missing[0]}`")
        return {name: np.array(given[features[name]], spec.dtype) for name, spec in self.outputs.items()}

    def close(self) -> None:
        """Free the package, once a run that is under way is done."""
        with self._lock:
            self._model = None

    def _checked(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """What a package is told, in the types that it takes."""
        if feeds.keys() != self.inputs.keys():
            raise EngineError(
                f"Core ML failed in `{self._role}`: it takes {', '.join(self.inputs)}, "
                f"got {', '.join(feeds) or 'nothing'}"
            )
        for name, spec in self.inputs.items():
            if feeds[name].shape != spec.shape:
                got = TensorSpec(name, str(feeds[name].dtype), feeds[name].shape)
                raise EngineError(f"Core ML failed in `{self._role}`: it takes {spec}, got {got}")
        return {
            feature_of(name): np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else np.int32)
            for name, array in feeds.items()
        }
