"""The graphs of a bundle while a pipeline uses them: loaded when needed, shared, checked, rescued, freed.

A *rescue*: a component that was computed in less than f32 and returned NaN or infinity is computed again in f32, for
that call. Half precision overflows where f32 does not; a picture that took longer is better than none, and it is said.
"""

from __future__ import annotations

import dataclasses
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, final

import numpy as np

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines import Engine, EngineOptions, Graph, Session, engine_for, other_engines
from edgediff_runtimes.engines.base import Share
from edgediff_runtimes.engines.forking import HomeProcess
from edgediff_runtimes.errors import EngineError, NonFiniteError, SettingError
from edgediff_runtimes.families.other_outputs import OTHER_OUTPUTS
from edgediff_runtimes.fixed_graphs import load_graph
from edgediff_runtimes.installing import install_line
from edgediff_runtimes.memory import available_bytes, spare_bytes
from edgediff_runtimes.placement import Placement, Residency
from edgediff_runtimes.recipe import GraphUse
from edgediff_runtimes.tensors import Array, TensorSpec
from edgediff_runtimes.weights import WeightChange

_Key: TypeAlias = tuple[str, str]


@final
@dataclass(slots=True)
class Computed:
    """How a component was computed in one run.

    Attributes:
        engine: What computed it.
        execution: What floats were computed in.
        calls: How often.
        rescued: In how many of the calls it returned NaN or infinity and was computed again in f32.
        threads: Threads of the processor that computed it; None where the engine does not tell.
        shares: Which of the engine's backends computed how much of it, by name, see ``Session.shares``.
    """

    engine: str
    execution: str
    calls: int = 0
    rescued: int = 0
    threads: int | None = None
    shares: dict[str, Share] = field(default_factory=dict)


@final
class Loaded:
    """A component in use: its session, with dtypes taken care of and results checked.

    Args:
        role: Its role.
        session: Its session.
        computed: Counts its calls.
        rescue: Gives a session that computes it in f32, or None where there is none.
        hint: What can be done about values that are not finite where there is no rescue; None: what is always said.
        on_left: Is told the operators that the device left to the processor, see ``Session.left``.
        strict: It is told so after every call, and not only at the end.
    """

    def __init__(
        self,
        role: str,
        session: Session,
        *,
        computed: Computed | None = None,
        rescue: Callable[[], Session | None] = lambda: None,
        hint: str | None = None,
        on_left: Callable[[tuple[str, ...]], None] = lambda _: None,
        strict: bool = False,
    ) -> None:
        self.role = role
        self._session = session
        self._computed = computed
        self._rescue = rescue
        self._hint = hint
        self._on_left = on_left
        self._strict = strict

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """What its graph takes, by name."""
        return self._session.inputs

    def run(
        self,
        feeds: Mapping[str, Array],
        outputs: Sequence[str],
        *,
        cancel: CancelToken | None = None,
        step: int | None = None,
    ) -> dict[str, Array]:
        """Compute the graph on arrays of any float or integer dtype.

        Args:
            feeds: One array per input; each is cast to the dtype the graph declares, one of a single entry also to its
                rank.
            outputs: Names of the outputs that are wanted.
            cancel: Ends the run early.
            step: The sampling step this run belongs to, from 0, for the error.

        Returns:
            Those outputs.

        Raises:
            EngineError: Inputs are missing or too many, an output is missing, or the engine failed.
            NonFiniteError: An output has NaN or infinity.
            Cancelled: ``cancel`` was cancelled.
        """
        if feeds.keys() != self.inputs.keys():
            raise EngineError(
                f"the graph of `{self.role}` takes {', '.join(sorted(self.inputs))}: got {', '.join(sorted(feeds))}"
            )
        arrays = self._outputs(self._session, outputs, feeds, cancel)
        if self._computed is not None:
            self._computed.calls += 1
            self._computed.threads = self._session.threads
        if self._strict:
            self.tell_shares()
        if all(map(_is_finite, arrays.values())):
            return arrays
        exact = self._rescue()
        if exact is None:
            raise NonFiniteError(self.role, step=step, hint=self._hint)
        arrays = self._outputs(exact, outputs, feeds, cancel)
        if self._computed is not None:
            self._computed.rescued += 1
        if not all(map(_is_finite, arrays.values())):
            raise NonFiniteError(self.role, step=step)
        return arrays

    def tell_shares(self) -> None:
        """Note who computed how much, and tell what was left to the processor."""
        if self._computed is not None and self._computed.calls:
            self._computed.shares = dict(self._session.shares())
            self._on_left(self._session.left())

    def _outputs(
        self, session: Session, outputs: Sequence[str], feeds: Mapping[str, Array], cancel: CancelToken | None
    ) -> dict[str, Array]:
        given = session.run(
            {name: _fitted(array, session.inputs[name]) for name, array in feeds.items()}, cancel=cancel
        )
        found = {name: name if name in given else OTHER_OUTPUTS.get(name, name) for name in outputs}
        if missing := [name for name, there in found.items() if there not in given]:
            raise EngineError(f"the graph of `{self.role}` gives {', '.join(sorted(given))}: expected `{missing[0]}`")
        return {name: given[there] for name, there in found.items()}


@final
class Components:
    """Loads the components of a bundle on first use; each is loaded once, however many runs use it at a time.

    With ``resident`` a component stays until ``close``; with ``sequential`` it is freed as soon as nothing uses it, so
    that memory is that of the largest component and not of all, at the price of loading again in the next run.

    What was loaded for a rescue is freed with the component that it rescued.

    Args:
        bundle: Has the graphs.
        placement: Where and how they are computed; where its residency is None, components stay.
        replaced: Components that others give, by role, whatever the bundle has. They are closed with these.

    Attributes:
        residency: What becomes of a component that is not needed at the moment.

    Raises:
        SettingError: The placement names a component that there is not, or an execution that a device has not.
        DeviceError: A device that is named is not there.
        NotInstalledError: An engine with it is not installed.
    """

    def __init__(
        self, bundle: Bundle, placement: Placement, *, replaced: Mapping[str, Components] | None = None
    ) -> None:
        self.residency: Residency = placement.residency or "resident"
        self._available = available_bytes()  # before anything is loaded, so that all runs go by one figure
        self._bundle = bundle
        self._placement = placement
        self._replaced = dict(replaced or {})
        self._engines: dict[tuple[str, str], Engine] = {}  # by format and device, where the user names none
        # By role and the fingerprint of what is done to the weights.
        self._sessions: dict[_Key, Session] = {}
        self._rescues: dict[_Key, Session] = {}
        self._current: dict[str, str] = {}
        self._warned: set[tuple[str, str]] = set()  # roles, and of what
        self._users: Counter[_Key] = Counter()
        self._closed = False
        self._lock = threading.RLock()
        self._home = HomeProcess()
        roles = bundle.manifest.components
        placement.check_roles(roles)
        self._sized = frozenset(roles)
        if placement.static is not None:
            self._sized = self._gaining(roles)
        # What was named is there or is refused before anything is computed; the rest is loaded when it is needed.
        for role in filter(placement.asks_of, roles):
            self._check(role)

    def check_open(self) -> None:
        """Refuse to go on once ``close`` was called, or in a fork of the process that loaded components.

        Raises:
            EngineError: The pipeline is closed, or its components are another process's.
        """
        if self._closed:
            raise EngineError("the pipeline is closed")
        if self._sessions:
            self._home.check("the pipeline")

    def spare_bytes(self, uses: Sequence[GraphUse]) -> int | None:
        """About how many bytes there are for what a run computes in tiles, see ``memory.spare_bytes``.

        Args:
            uses: The graphs of the run.
        """
        return spare_bytes(self._bundle, self._placement, uses, available=self._available, residency=self.residency)

    def keep_only(self, changes: Mapping[str, WeightChange]) -> None:
        """Free the sessions with other weights than these by role; one in use is freed when its run lets go of it."""
        with self._lock:
            self._current = {role: change.fingerprint for role, change in changes.items()}
            self._free_unused(stale=True)

    @contextmanager
    def use(
        self, role: str, *, computed: dict[str, Computed] | None = None, change: WeightChange | None = None
    ) -> Iterator[Loaded]:
        """The component of that role, for as long as the block runs.

        Args:
            role: The role.
            computed: Is told how the component of that role was computed.
            change: What is done to its weights.

        Raises:
            BundleError: The bundle has no such component.
            EngineError: It cannot be loaded, or the pipeline is closed.
            AdapterError: The change does not fit its weights.
        """
        if role in self._replaced:
            with self._replaced[role].use(role, computed=computed, change=change) as loaded:
                yield loaded
            return
        graph = dataclasses.replace(self._bundle.graph(role), change=change)
        key = _key_of(graph)
        device, options = self._placement.device_of(role), self._options_of(role)
        with self._lock:
            self.check_open()
            engine = self._engine_of(graph)
            if key not in self._sessions:
                self._sessions[key] = load_graph(engine, graph, device=device, options=options)
                self._home = HomeProcess()
            self._users[key] += 1
            session = self._sessions[key]
        try:
            now = Computed(engine.name, session.execution, threads=session.threads)
            loaded = self._loaded(graph, session, now, computed)
            yield loaded
            loaded.tell_shares()
        finally:
            with self._lock:
                self._users[key] -= 1
                self._free_unused(stale=not (self._closed or self.residency == "sequential"))

    def close(self) -> None:
        """Free all components; one that a run is using is freed when that run lets go of it."""
        with self._lock:
            self._closed = True
            self._free_unused()
        for other in self._replaced.values():
            other.close()

    def _gaining(self, roles: Iterable[str]) -> frozenset[str]:
        """The components whose engines gain by a fixed size.

        Raises:
            SettingError: No engine does.
        """
        refusals = {role: self._refusal(role) for role in roles}
        if all(refusals.values()):
            raise next(filter(None, refusals.values()))
        return frozenset(role for role, refused in refusals.items() if refused is None)

    def _refusal(self, role: str) -> SettingError | None:
        """Why the engine of a component takes no fixed size; None where it does."""
        try:
            self._check(role)
        except SettingError as error:
            if error.setting == "static":
                return error
            raise
        return None

    def _check(self, role: str) -> None:
        graph, device = self._bundle.graph(role), self._placement.device_of(role)
        self._engine_of(graph).execution(graph, device=device, options=self._options_of(role))

    def _options_of(self, role: str) -> EngineOptions:
        options = self._placement.options_of(role)
        return options if role in self._sized else dataclasses.replace(options, static=None)

    def _loaded(self, graph: Graph, session: Session, now: Computed, computed: dict[str, Computed] | None) -> Loaded:
        known = now if computed is None else computed.setdefault(graph.role, now)
        left = partial(self._left, graph.role)
        loaded = partial(Loaded, graph.role, session, computed=known, on_left=left, strict=self._placement.strict)
        if now.execution == "f32":
            return loaded()
        was = f"it was computed in {now.execution}"
        if self._placement.strict:
            return loaded(hint=f"{was}; without `strict` it is computed again in f32")
        export = 'export it with `precision="fp32"`'
        hint = f"{was}, and no engine here computes it in f32: {export}, or {install_line('openvino')}"
        return loaded(rescue=lambda: self._rescue(graph, now.execution), hint=hint)

    def _left(self, role: str, operators: tuple[str, ...]) -> None:
        """Say once, or refuse under ``strict``, that the processor computes what a device was asked for."""
        if not operators:
            return
        device = self._placement.device_of(role)
        words = f"`{role}` was asked of `{device}`, which leaves {', '.join(operators)} to the processor"
        if self._placement.strict:
            raise EngineError(words, hint="without `strict` it is computed so, and the result says who had which share")
        with self._lock:
            if (role, "left") not in self._warned:
                self._warned.add((role, "left"))
                warnings.warn(words, stacklevel=2)

    def _rescue(self, graph: Graph, execution: str) -> Session | None:
        """A session that computes the graph in f32, loaded when it is first asked for; said aloud once."""
        with self._lock:
            self.check_open()
            key = _key_of(graph)
            session = self._rescues.get(key) or self._load_exact(graph)
            if session is None:
                return None
            self._rescues[key] = session
            if (graph.role, "rescued") not in self._warned:
                self._warned.add((graph.role, "rescued"))
                warnings.warn(
                    f"`{graph.role}` returned values that are not finite, computed in {execution}: "
                    "it is computed again in f32 where that happens, which takes time",
                    stacklevel=2,
                )
            return session

    def _load_exact(self, graph: Graph) -> Session | None:
        options = dataclasses.replace(self._options_of(graph.role), execution="f32")
        engine = self._engine_of(graph)
        try:
            return load_graph(engine, graph, device=self._placement.device_of(graph.role), options=options)
        except SettingError:  # it computes graphs as they were exported, or its device has no f32
            other = next(other_engines(graph.format, than=engine.name), None)
            any_size = dataclasses.replace(options, static=None)
            return None if other is None else load_graph(other, graph, device="auto", options=any_size)

    def _engine_of(self, graph: Graph) -> Engine:
        if (named := self._placement.engine_named(graph.role)) is not None:
            return named
        key = graph.format, self._placement.device_of(graph.role)
        if key not in self._engines:
            self._engines[key] = engine_for(*key)
        return self._engines[key]

    def _free_unused(self, *, stale: bool = False) -> None:
        """Free what no run is using; ``stale``: of that, only what has other weights than new runs get."""
        for sessions in (self._sessions, self._rescues):
            for key in [key for key in sessions if not self._users[key]]:
                if not stale or self._current.get(key[0], "") != key[1]:
                    sessions.pop(key).close()


def _key_of(graph: Graph) -> _Key:
    return graph.role, "" if graph.change is None else graph.change.fingerprint


def _fitted(array: Array, spec: TensorSpec) -> Array:
    """In the dtype that the graph declares, and in its rank where there is one entry: exporters differ there."""
    cast = array.astype(spec.dtype, copy=False)
    return cast.reshape([1] * len(spec.shape)) if array.size == 1 else cast


def _is_finite(array: Array) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())
