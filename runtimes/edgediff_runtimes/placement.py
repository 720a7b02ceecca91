"""Where and how the components of a bundle are computed.

What may differ by component is one value for all of them, or a mapping by role in which ``*`` stands for all others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar, Union, final

from edgediff_runtimes.engines import Engine, EngineOptions, engine_for, get_engine
from edgediff_runtimes.engines.base import Graph
from edgediff_runtimes.engines.execution import EXECUTIONS
from edgediff_runtimes.errors import SettingError

T = TypeVar("T")
ByRole: TypeAlias = Union[T, Mapping[str, T]]  # noqa: UP007 - `|` of a type variable is no alias that takes one
Residency: TypeAlias = Literal["resident", "sequential"]
RESIDENCIES: tuple[Residency, ...] = ("resident", "sequential")
EVERY = "*"


@final
@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how the components of a bundle are computed.

    Attributes:
        engine: What computes; None: the default engine of a graph's format, or the first that has the device.
        device: A device of the engine; ``auto``: its default.
        execution: What floats are computed in, see ``EngineOptions``; None: what the precision asks.
        threads: Threads that compute one graph; None leaves it to the engine.
        low_memory: Trade time for memory inside the engine, see ``EngineOptions``.
        keep_compiled: Keep what the engine compiled for the next process, see ``EngineOptions``.
        residency: ``resident`` keeps components, ``sequential`` frees each as soon as it is not needed; None: the
            first, where memory holds all of them.
        strict: A component that returns NaN or infinity in less than f32 is an error; else it is computed again in
            f32 for that call, with a warning, and the result says so. With reuse of predictions, all network calls are
            made from a jump of the prediction error on.
        static: Width and height of all pictures, in pixels: engines that gain by it compile for this size alone; None:
            any size.

    The first four may be mappings by role.

    Raises:
        SettingError: An option has no such value.
    """

    engine: ByRole[Engine | None] = None
    device: ByRole[str] = "auto"
    execution: ByRole[str | None] = None
    threads: ByRole[int | None] = None
    low_memory: bool = False
    keep_compiled: bool = True
    residency: Residency | None = None
    strict: bool = False
    static: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.residency not in (None, *RESIDENCIES):
            raise SettingError("residency", got=self.residency, expected=f"one of {', '.join(RESIDENCIES)}")
        for name in ("low_memory", "keep_compiled", "strict"):
            if not isinstance(getattr(self, name), bool):
                raise SettingError(name, got=getattr(self, name), expected="True or False")
        if self.static is not None and not _is_size(self.static):
            raise SettingError("static", got=self.static, expected="width and height in pixels, such as (512, 512)")
        for name, (fits, expected) in _KINDS.items():
            _check_kind(name, getattr(self, name), fits=fits, expected=expected)
        for role in self._named:
            self.options_of(role)

    @property
    def _named(self) -> tuple[str, ...]:
        """The roles that one of the mappings names, and all others."""
        mappings = (self.engine, self.device, self.execution, self.threads)
        return tuple({EVERY: None} | {role: None for each in mappings if isinstance(each, Mapping) for role in each})

    def check_roles(self, roles: Collection[str]) -> None:
        """Refuse a component that is not among the roles.

        Raises:
            SettingError: One is not; the sentence names those that are.
        """
        for name in ("engine", "device", "execution", "threads"):
            given = getattr(self, name)
            for role in given if isinstance(given, Mapping) else ():
                if role not in (*roles, EVERY):
                    got, expected = f"{role}={_text(given[role])}", f"components among {', '.join(roles)}"
                    raise SettingError(name, got=got, expected=expected)

    def engine_named(self, role: str) -> Engine | None:
        """The engine that is named for a component, or None."""
        return _of(self.engine, role, None)

    def engine_of(self, graph: Graph) -> Engine:
        """The engine that computes a graph.

        Raises:
            NotInstalledError: It is not installed.
            DeviceError: None of those that are installed has the device.
        """
        return self.engine_named(graph.role) or engine_for(graph.format, self.device_of(graph.role))

    def device_of(self, role: str) -> str:
        """The device of a component as it was asked for."""
        return _of(self.device, role, "auto")

    def options_of(self, role: str) -> EngineOptions:
        """The options of the engine of a component."""
        return EngineOptions(
            threads=_of(self.threads, role, None),
            low_memory=self.low_memory,
            execution=_of(self.execution, role, None),
            keep_compiled=self.keep_compiled,
            static=self.static,
        )

    def asks_of(self, role: str) -> bool:
        """Whether a device or an execution was named for a component, which its engine may lack."""
        return self.device_of(role) != "auto" or self.options_of(role).execution is not None


def named_engines(named: ByRole[Engine | str | None]) -> ByRole[Engine | None]:
    """Engines, or their names, as engines; one for each name.

    Raises:
        SettingError: There is no engine of a name.
        NotInstalledError: It is not installed.
    """
    if not isinstance(named, Mapping):
        return get_engine(named) if isinstance(named, str) else named
    found = {name: get_engine(name) for name in dict.fromkeys(each for each in named.values() if isinstance(each, str))}
    return {role: found[engine] if isinstance(engine, str) else engine for role, engine in named.items()}


def _is_size(value: object) -> bool:
    return isinstance(value, tuple) and [type(side) for side in value] == [int, int] and min(value) > 0


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""


# What a value of an option is, and how that is called; the engine's own options look at theirs.
_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "engine": (lambda value: value is None or isinstance(value, Engine), "an engine, its name, or None"),
    "device": (_is_name, "the name of a device"),
    "execution": (lambda value: value is None or _is_name(value), f"one of {', '.join(EXECUTIONS)}, or None"),
}


def _check_kind(name: str, given: object, *, fits: Callable[[object], bool], expected: str) -> None:
    """Refuse a value of another kind, for all components or for one."""
    if not isinstance(given, Mapping):
        if not fits(given):
            raise SettingError(name, got=given, expected=f"{expected}, or a mapping of such by component")
        return
    for role, value in given.items():
        if not _is_name(role):
            raise SettingError(name, got=given, expected=f"components by name, or `{EVERY}` for all others")
        if not fits(value):
            raise SettingError(name, got=f"{role}={_text(value)}", expected=f"{expected} behind the component")


def _of(given: ByRole[T], role: str, default: T) -> T:
    if isinstance(given, Mapping):
        return given.get(role, given.get(EVERY, default))
    return given


def _text(value: object) -> str:
    return str(getattr(value, "name", value))
