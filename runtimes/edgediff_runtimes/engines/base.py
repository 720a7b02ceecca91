"""The engine seam: named arrays in, named arrays out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, final, runtime_checkable

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.execution import EXECUTIONS
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.plain import as_whole
from edgediff_runtimes.tensors import Array, TensorSpec
from edgediff_runtimes.untrusted.bounds import THREADS
from edgediff_runtimes.weights import WeightChange


@final
@dataclass(frozen=True, slots=True)
class Graph:
    """A graph to load: its role in the model, its file, its format, and what the manifest says of its tensors.

    ``inputs`` and ``outputs`` are empty where the manifest was derived; a session knows better. ``precision`` is the
    manifest's word for it (``fp32``, ``fp16``, ``bf16``, ``w16``, ``w8``, ``w4``, ``int8``, ``mixed``,
    ``a16w8``; ``unknown`` where the manifest was derived) and says what it asks to be computed in, see
    ``execution.WISHES``. ``weights`` are the operations that read the parameters whose names the graph lost, by
    parameter; ``change`` is what becomes of its weights when it is loaded (a LoRA), or None. Where it is several files,
    each for inputs of one shape, ``fixed`` has them all, each with the length of every named axis of ``inputs``;
    ``fixed_graphs.load_graph`` loads it.
    """

    role: str
    path: Path
    format: str
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    precision: str = "fp32"
    weights: Mapping[str, str] = field(default_factory=dict, repr=False)
    change: WeightChange | None = field(default=None, repr=False)
    fixed: Mapping[Path, Mapping[str, int]] = field(default_factory=dict, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Device:
    """A device that an engine reaches.

    Attributes:
        name: What to ask for it by.
        description: What it is.
        executions: What it can compute floats in (``f32``, ``bf16``, ``f16``), the most exact first.
        kind: ``cpu``, ``gpu`` or ``npu``, which stand for the first of their kind; None: not said.
        verified: How we know that it computes what the processor does: ``run`` (its pictures were compared),
            ``emulated`` (on its maker's emulator) or ``never`` (nothing of it was at hand).
    """

    name: str
    description: str
    executions: tuple[str, ...] = ("f32",)
    kind: Literal["cpu", "gpu", "npu"] | None = None
    verified: Literal["run", "emulated", "never"] = "run"

    @property
    def names(self) -> frozenset[str]:
        """All that it may be asked for by: ``gpu`` stands for the first of ``gpu.0``, ``gpu.1``, and of its kind."""
        kind = self.name if self.kind is None or self.kind == "cpu" else self.kind
        return frozenset((self.name, self.name.partition(".")[0], kind))


@final
@dataclass(frozen=True, slots=True)
class Share:
    """What one of an engine's backends computed of a graph.

    Attributes:
        nodes: How many of its nodes.
        time: Their share of the time, 0 to 1.
        operators: Operators among them that compute with floats, in alphabetical order; empty where the engine has one
            backend alone.
    """

    nodes: int
    time: float
    operators: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine shall work.

    Attributes:
        threads: Threads that compute one graph; None leaves it to the engine (one per physical core).
        low_memory: Trade time for memory: give buffers back after every run and keep no second copy of the weights.
        execution: What floats are computed in (``f32``, ``bf16``, ``f16``), or refused where the engine or the device
            cannot; None leaves it to the graph's precision, see ``execution.WISHES``.
        keep_compiled: Keep what the engine compiled, where it keeps anything, for the next process: not of graphs that
            will be gone then.
        static: Width and height of all pictures, in pixels: compile graphs for this size alone; refused where the
            engine gains nothing by it. None: any size.
    """

    threads: int | None = None
    low_memory: bool = False
    execution: str | None = None
    keep_compiled: bool = True
    static: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.execution is not None and self.execution not in EXECUTIONS:
            raise SettingError("execution", got=self.execution, expected=f"one of {', '.join(EXECUTIONS)}")
        if self.threads is None:
            return
        threads = as_whole(self.threads)
        if threads is None or threads < 1:
            raise SettingError("threads", got=self.threads, expected="a whole number of at least 1")
        if threads > THREADS.most:
            raise SettingError("threads", got=threads, expected=THREADS.expected)
        object.__setattr__(self, "threads", threads)  # a number of NumPy's becomes Python's own


class Session(ABC):
    """A loaded graph. A context manager; after ``close`` it must not be used. ``run`` may be called from any thread.

    Attributes:
        inputs: What the graph takes, by name.
        outputs: What the graph gives, by name.
        execution: What it computes floats in: ``f32``, ``bf16`` or ``f16``.
        threads: Threads of the processor that compute it; None where the engine does not tell, or not before a call.
    """

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    execution: str
    threads: int | None = None

    @abstractmethod
    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        """Compute the graph.

        Args:
            feeds: One array per input, of its dtype; contiguous arrays are not copied. They are not written to.
            cancel: Ends the computation early when it is cancelled.

        Returns:
            One array per output. They belong to the caller; a later run does not touch them.

        Raises:
            Cancelled: ``cancel`` was cancelled before or during the run.
            EngineError: The engine failed; its own words are in the sentence.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the graph. A second call does nothing."""

    def shares(self) -> Mapping[str, Share]:
        """Which of the engine's backends computed how much, by name; empty where the engine does not tell.

        It is measured until this is first asked for, and is then of the last call.
        """
        return {}

    def left(self) -> tuple[str, ...]:
        """Operators on floats that were asked of a device and that the processor computed in its place."""
        return ()

    def __enter__(self) -> Session:  # noqa: PYI034 - Self came with Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@runtime_checkable
class Engine(Protocol):
    """Loads graphs for devices."""

    @property
    def name(self) -> str:
        """What a user calls it."""

    @property
    def version(self) -> str:
        """Version of the library behind it."""

    def devices(self) -> tuple[Device, ...]:
        """The devices it reaches on this machine, the default first."""

    def execution(self, graph: Graph, *, device: str, options: EngineOptions) -> str:
        """What ``load`` would have floats computed in: ``f32``, ``bf16`` or ``f16``. Nothing is loaded.

        Raises:
            DeviceError: No such device here.
            SettingError: The engine or the device cannot compute in what the options ask for.
        """

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:
        """Load a graph for a device (``auto``: the default).

        Raises:
            DeviceError: No such device here.
            SettingError: The engine or the device cannot apply an option.
            EngineError: The graph cannot be loaded.
        """
