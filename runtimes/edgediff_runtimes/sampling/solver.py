"""The seam between a sampler and the method that moves a sample along its schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.prediction import Prediction
    from edgediff_runtimes.tensors import Array

Denoise: TypeAlias = "Callable[[Array, Level], Prediction]"
# What a solver remembers: an immutable tuple that `init` makes and `step` replaces.
State: TypeAlias = tuple[Any, ...]


class Outcome(NamedTuple):
    """What one step gives: the next sample, the clean sample it was drawn towards, and what to remember."""

    x: Array
    denoised: Array
    state: State = ()


class Solver(Protocol):
    """A method of integration. Solvers are frozen: what a run remembers is passed in and handed back."""

    def calls(self, interval: Interval) -> tuple[Level, ...]:
        """The levels at which the network is asked, in order."""
        ...

    def init(self, x: Array, intervals: Sequence[Interval], noise: NoiseSource) -> State:
        """What to remember before the first step."""
        ...

    def draws(self, interval: Interval) -> bool:
        """Whether the step over an interval may draw fresh noise."""
        ...

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Move ``x`` from the interval's start to its end."""
        ...


class OneCall(ABC):
    """A solver that asks the network once in a step, at its start."""

    __slots__ = ()

    def calls(self, interval: Interval) -> tuple[Level, ...]:
        """The start alone."""
        return (interval.start,)

    @abstractmethod
    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Move ``x`` from the interval's start to its end."""


class Stateless(ABC):
    """A solver that has nothing to remember before its first step."""

    __slots__ = ()

    def init(self, x: Array, intervals: Sequence[Interval], noise: NoiseSource) -> State:  # noqa: ARG002 - one seam
        """Nothing."""
        return ()

    @abstractmethod
    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Move ``x`` from the interval's start to its end."""


class Deterministic(ABC):
    """A solver that draws nothing: one start has one end."""

    __slots__ = ()

    def draws(self, interval: Interval) -> bool:  # noqa: ARG002 - one seam
        """Never."""
        return False

    @abstractmethod
    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Move ``x`` from the interval's start to its end."""


class Stochastic(ABC):
    """A solver whose steps draw fresh noise."""

    __slots__ = ()

    def draws(self, interval: Interval) -> bool:  # noqa: ARG002 - one seam
        """Always."""
        return True

    @abstractmethod
    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Move ``x`` from the interval's start to its end."""
