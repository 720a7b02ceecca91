"""The loop: a frozen sampler that turns noise into a sample, step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.errors import EdgediffError, SamplerError
from edgediff_runtimes.sampling.prediction import Denoiser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.known import Known
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.limits import Limit
    from edgediff_runtimes.sampling.prediction import Model, Parametrisation
    from edgediff_runtimes.sampling.solver import Solver, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run, after it was made.

    Attributes:
        index: Place in this run, from 0.
        timestep: What the network was told at the step's start.
        sigma: The noise level at the step's start (sigma of a flow, sigma / alpha of all others).
        sample: The sample after the step, of the shape of the noise.
        denoised: The clean sample that the step was drawn towards.
        state: What the solver remembers; with ``sample`` and a copy of the noise source, all that ``resume`` needs.
    """

    index: int
    timestep: np.generic
    sigma: float
    sample: Array
    denoised: Array
    state: State


@final
@dataclass(frozen=True, slots=True)
class Sampler:
    """A schedule, a solver and the meaning of the network's output: everything of a run but its noise.

    Attributes:
        intervals: The steps of the schedule.
        solver: The rule that makes a step from the network's answers.
        parametrisation: What the network's output means.
        init_noise_sigma: Standard deviation of the sample that a run from pure noise starts with.
        limit: Bounds on the denoised sample.
        whole: What to do instead where ``for_strength`` makes no sense.
        discrete: Whether the samples are whole-numbered tokens; ``noise`` is then the tokens to start from.
        needs_unguided: Whether the network must return ``PredictionPair``.
        like_sample: Whether the network's output has the shape of the sample (with variances: twice its channels).
        fractional_strength: Whether image-to-image rounds ``steps * strength`` only at the end, as flow pipelines do.
    """

    intervals: tuple[Interval, ...]
    solver: Solver
    parametrisation: Parametrisation
    limit: Limit | None = None
    needs_unguided: bool = False
    like_sample: bool = True
    init_noise_sigma: float = 1.0
    fractional_strength: bool = False
    whole: str = ""
    discrete: bool = False

    @property
    def steps(self) -> int:
        """The number of steps that ``iterate`` makes."""
        return len(self.intervals)

    @property
    def calls(self) -> tuple[Level, ...]:
        """The level of every network call, in call order."""
        return tuple(level for interval in self.intervals for level in self.solver.calls(interval))

    @property
    def timesteps(self) -> Array:
        """What the network is told, one entry per call, in call order."""
        return np.array([level.t for level in self.calls])

    @property
    def stochastic(self) -> bool:
        """Whether steps draw fresh noise."""
        return any(self.solver.draws(interval) for interval in self.intervals)

    def for_strength(self, strength: float) -> Sampler:
        """The sampler that starts later, for image-to-image.

        Args:
            strength: How much of the schedule is run, in (0, 1]; ``iterate`` then takes the picture as ``start``.

        Raises:
            SamplerError: the strength is outside of its range, or leaves no step.
        """
        if self.whole:
            raise SamplerError("strength", got=strength, expected="no strength for this sampler", hint=self.whole)
        if not 0 < strength <= 1:
            raise SamplerError("strength", got=strength, expected="a number above 0 and up to 1")
        steps = self.intervals[0].total
        kept = steps * strength
        skipped = int(max(steps - kept, 0)) if self.fractional_strength else max(steps - min(int(kept), steps), 0)
        if skipped >= steps:
            hint = f"with {steps} steps, take a strength of {1 / steps:.3g} or more" if steps > 1 else "take more steps"
            raise SamplerError("strength", got=strength, expected="a strength that leaves at least one step", hint=hint)
        return replace(self, intervals=self.intervals[skipped:])

    def for_noise(self, level: float) -> Sampler:
        """The sampler that starts at the level whose ``nominal`` is the nearest to this one.

        Args:
            level: Above 0; ``iterate`` then takes a clean ``start``, or a noisy ``sample``.

        Raises:
            SamplerError: This sampler has no such beginnings.
        """
        if self.whole:
            raise SamplerError("noise_level", got=level, expected="no noise level for this sampler", hint=self.whole)
        distances = [abs(interval.start.nominal - level) for interval in self.intervals]
        return replace(self, intervals=self.intervals[distances.index(min(distances)) :])

    def until(self, timestep: float) -> Sampler:
        """The sampler of the steps that begin at this time step or above it."""
        return replace(self, intervals=tuple(one for one in self.intervals if float(one.start.t) >= timestep))

    def since(self, timestep: float) -> Sampler:
        """The sampler of the steps that begin below this time step; ``iterate`` then takes a ``sample``."""
        return replace(self, intervals=tuple(one for one in self.intervals if float(one.start.t) < timestep))

    def sample(self, model: Model, noise: Array, *, rng: NoiseSource, start: Array | None = None) -> Array:
        """Run all steps and return the final sample; see ``iterate``."""
        x = noise
        for step in self.iterate(model, noise, rng=rng, start=start):
            x = step.sample
        return x

    def iterate(
        self,
        model: Model,
        noise: Array,
        *,
        rng: NoiseSource,
        start: Array | None = None,
        sample: Array | None = None,
        known: Known | None = None,
        resume: Step | None = None,
    ) -> Iterator[Step]:
        """Run step by step.

        Args:
            model: The network, ``model(x_scaled, t) -> raw``, where ``t`` is one of ``timesteps``; or
                ``-> PredictionPair(raw, unguided)``, which samplers with ``needs_unguided`` want.
            noise: Unit-variance noise, float32, of the sample's shape.
            rng: Where stochastic samplers draw the noise of their steps.
            start: A clean sample; it is noised to the first level, instead of starting from pure noise.
            sample: A sample at the first level, as another sampler left it; ``noise`` and ``start`` are then not
                looked at.
            known: What is known of the result; it is kept in every step.
            resume: The last step of a run that was left; ``noise`` and ``start`` are then not looked at.

        Yields:
            Every step after it was made.

        Raises:
            SamplerError: a level of the schedule is one that the solver's formulas cannot take.
        """
        denoise = Denoiser(model, self.parametrisation, self.limit, self.like_sample)
        first = 0 if resume is None else resume.index + 1
        if resume is not None:
            x, state = resume.sample, resume.state
        else:
            x, state = self._first(noise, start) if sample is None else sample, None
        if state is None:
            state = self.solver.init(x, self.intervals, rng)
        for index, interval in enumerate(self.intervals[first:], first):
            asked = denoise if known is None else known.within(denoise)
            try:
                x, denoised, state = self.solver.step(asked, x, interval, state, rng)
            except EdgediffError:
                raise
            except ArithmeticError as error:  # a division by a level that odd fields of a config made 0
                expected = f"levels that its formulas can take ({error})"
                raise SamplerError("sigma", got=interval.start.nominal, expected=expected) from error
            if known is not None:
                following = self.intervals[index + 1].start if index + 1 < self.steps else None
                x, denoised = known.over(x, following), known.over(denoised, None)
            yield Step(index, interval.start.t, interval.start.nominal, x, denoised, state)

    def _first(self, noise: Array, start: Array | None) -> Array:
        if self.discrete:
            return np.asarray(noise, dtype=np.int64)
        if start is None:
            return _float32(noise) * np.float32(self.init_noise_sigma)
        level = self.intervals[0].start
        return level.alpha * _float32(start) + level.sigma * _float32(noise)


def _float32(array: Array) -> Array:
    return np.asarray(array, dtype=np.float32)
