"""The graphs of a bundle while a pipeline uses them: loaded when needed, shared, checked, freed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TypeAlias, final

import numpy as np

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines import Engine, EngineOptions, Session, engine_for
from edgediff_runtimes.errors import EngineError, NonFiniteError, SettingError
from edgediff_runtimes.tensors import Array, TensorSpec

Residency: TypeAlias = Literal["resident", "sequential"]
RESIDENCIES: tuple[Residency, ...] = ("resident", "sequential")


@final
class Loaded:
    """A component in use: its session, with dtypes taken care of and results checked."""

    def __init__(self, role: str, session: Session) -> None:
        self.role = role
        self._session = session

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """What its graph takes, by name."""
        return self._session.inputs

    def run(
        self, output: str, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None, step: int | None = None
    ) -> Array:
        """Compute the graph on arrays of any float or integer dtype.

        Args:
            output: Name of the output that is wanted.
            feeds: One array per input; each is cast to the dtype the graph declares.
            cancel: Ends the run early.
            step: The sampling step this run belongs to, from 0, for the error.

        Returns:
            That output.

        Raises:
            EngineError: Inputs are missing or too many, the output is missing, or the engine failed.
            NonFiniteError: The output has NaN or infinity.
            Cancelled: ``cancel`` was cancelled.
        """
        if feeds.keys() != self.inputs.keys():
            raise EngineError(
                f"the graph of `{self.role}` takes {', '.join(sorted(self.inputs))}: got {', '.join(sorted(feeds))}"
            )
        cast = {name: array.astype(self.inputs[name].dtype, copy=False) for name, array in feeds.items()}
        outputs = self._session.run(cast, cancel=cancel)
        if output not in outputs:
            raise EngineError(f"the graph of `{self.role}` gives {', '.join(sorted(outputs))}: expected `{output}`")
        array = outputs[output]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NonFiniteError(self.role, step=step)
        return array


@final
class Components:
    """Loads the components of a bundle on first use; each is loaded once, however many runs use it at a time.

    With ``resident`` a component stays until ``close``; with ``sequential`` it is freed as soon as nothing uses it, so
    that memory is that of the largest component and not of all, at the price of loading again in the next run.
    """

    def __init__(
        self, bundle: Bundle, *, engine: Engine | None, device: str, options: EngineOptions, residency: Residency
    ) -> None:
        if residency not in RESIDENCIES:
            raise SettingError("residency", got=residency, expected=f"one of {', '.join(RESIDENCIES)}")
        self._bundle = bundle
        self._engine = engine
        self._device = device
        self._options = options
        self._residency = residency
        self._sessions: dict[str, Session] = {}
        self._users: Counter[str] = Counter()
        self._closed = False
        self._lock = threading.RLock()

    def check_open(self) -> None:
        """Refuse to go on once ``close`` was called.

        Raises:
            EngineError: The pipeline is closed.
        """
        if self._closed:
            raise EngineError("the pipeline is closed")

    @contextmanager
    def use(self, role: str) -> Iterator[Loaded]:
        """The component of that role, for as long as the block runs.

        Raises:
            BundleError: The bundle has no such component.
            EngineError: It cannot be loaded, or the pipeline is closed.
        """
        with self._lock:
            self.check_open()
            if role not in self._sessions:
                graph = self._bundle.graph(role)
                engine = self._engine or engine_for(graph.format)
                self._sessions[role] = engine.load(graph, device=self._device, options=self._options)
            self._users[role] += 1
            session = self._sessions[role]
        try:
            yield Loaded(role, session)
        finally:
            with self._lock:
                self._users[role] -= 1
                if self._closed or self._residency == "sequential":
                    self._free_unused()

    def close(self) -> None:
        """Free all components; one that a run is using is freed when that run lets go of it."""
        with self._lock:
            self._closed = True
            self._free_unused()

    def _free_unused(self) -> None:
        for role in [role for role in self._sessions if not self._users[role]]:
            self._sessions.pop(role).close()
