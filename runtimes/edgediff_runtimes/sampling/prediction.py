"""What a network predicts, and how that becomes a denoised sample: one formula for every kind of noise level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, final

from edgediff_runtimes.errors import SamplerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.limits import Limit
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class PredictionPair:
    """Two answers of one call: what a network under guidance returns to a sampler that wants both (CFG++).

    Attributes:
        prediction: The guided output, of the shape that a network without guidance returns.
        unguided: The output without guidance, of the same shape.
    """

    prediction: Array
    unguided: Array


Model: TypeAlias = "Callable[[Array, Any], Array | PredictionPair]"
# What a sampler asks in place of a network, which it is handed: it may answer itself, or listen.
Between: TypeAlias = "Callable[[Model, Array, Any], Array | PredictionPair]"


class Parametrisation(Protocol):
    """The meaning of a network's output ``raw`` for a sample ``x`` at a noise level.

    The formulas hold for any (alpha, sigma); ``x`` has any shape and ``raw`` has the same.
    """

    @property
    def name(self) -> str:
        """The name of the prediction type, as configs spell it."""
        ...

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:
        """The clean sample that the output implies."""
        ...

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:
        """The unit-variance noise that the output implies."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Epsilon:
    """The network predicts the noise (Ho et al. 2020)."""

    name: str = "epsilon"

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:
        """``(x - sigma raw) / alpha``."""
        return (x - level.sigma * raw) / level.alpha

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:  # noqa: ARG002 - one seam for all kinds
        """The output itself."""
        return raw


@final
@dataclass(frozen=True, slots=True)
class Velocity:
    """The network predicts ``v = alpha noise - sigma x0`` of the variance-preserving process (Salimans & Ho 2022)."""

    name: str = "v_prediction"

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:
        """``alpha x - sigma v`` after bringing x to unit variance."""
        norm = level.scale
        return (level.alpha / (norm * norm)) * x - (level.sigma / norm) * raw

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:
        """``alpha v + sigma x`` after bringing x to unit variance."""
        norm = level.scale
        return (level.alpha / norm) * raw + (level.sigma / (norm * norm)) * x


@final
@dataclass(frozen=True, slots=True)
class Clean:
    """The network predicts the clean sample."""

    name: str = "sample"

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:  # noqa: ARG002 - one seam for all kinds
        """The output itself."""
        return raw

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:
        """``(x - alpha raw) / sigma``."""
        return (x - level.alpha * raw) / level.sigma


@final
@dataclass(frozen=True, slots=True)
class Flow:
    """The network predicts ``noise - x0``, the velocity of a straight path (Lipman et al. 2023, Liu et al. 2023)."""

    name: str = "flow_prediction"

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:
        """``x - sigma raw``."""
        return x - level.sigma * raw

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:
        """``x + alpha raw``, where ``alpha = 1 - sigma``."""
        return x + level.alpha * raw


@final
@dataclass(frozen=True, slots=True)
class InvertedFlow:
    """The network predicts ``x0 - noise``: a flow whose time runs from noise to data."""

    name: str = "flow_prediction"

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:
        """``x + sigma raw``."""
        return x + level.sigma * raw

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:
        """``x - alpha raw``."""
        return x - level.alpha * raw


@final
@dataclass(frozen=True, slots=True)
class Preconditioned:
    """A network within skip connections that depend on the noise (Karras et al. 2022, table 1).

    Attributes:
        sigma_data: Standard deviation of the data.
        sign: Sign of ``c_out``: 1 as in the paper, -1 for networks trained with v-prediction.
        sigma_min: Where the denoised sample must equal ``x`` (Song et al. 2023, appendix C); 0 for EDM.
    """

    sigma_data: float
    sign: float = 1.0
    sigma_min: float = 0.0
    name: str = "edm"

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:
        """``c_skip x + c_out raw``, for x brought to alpha 1."""
        sigma, data = level.sigma / level.alpha, self.sigma_data
        above = sigma - self.sigma_min
        skip = data**2 / (above**2 + data**2) / level.alpha
        out = self.sign * above * data / (sigma**2 + data**2) ** 0.5
        clean: Array = skip * x + out * raw
        return clean

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:
        """``(x - alpha denoised) / sigma``."""
        return (x - level.alpha * self.denoised(raw, x, level)) / level.sigma


@final
@dataclass(frozen=True, slots=True)
class TrigFlow:
    """The velocity on a circle (Lu & Song 2024): ``x = cos(t) x0 + sin(t) z`` with noise ``z`` as wide as the data.

    Attributes:
        sigma_data: Standard deviation of the data.
    """

    sigma_data: float
    name: str = "trigflow"

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:
        """``cos(t) x - sin(t) raw``."""
        return level.alpha * x - (level.sigma / self.sigma_data) * raw

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:
        """``(sin(t) x + cos(t) raw) / sigma_data``."""
        return (level.sigma / self.sigma_data**2) * x + (level.alpha / self.sigma_data) * raw


@final
@dataclass(frozen=True, slots=True)
class Score:
    """The network predicts the score, the gradient of the log density (Song et al. 2021).

    Attributes:
        times_sigma: Whether the output is the score times sigma.
    """

    times_sigma: bool = False
    name: str = "score"

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:
        """``x + sigma^2 score``, by Tweedie's formula on variance-exploding levels."""
        return x + (level.sigma if self.times_sigma else level.sigma**2) * raw

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:  # noqa: ARG002 - one seam for all kinds
        """``-sigma score``."""
        return raw * -(1.0 if self.times_sigma else level.sigma)


@final
@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer of the network.

    Attributes:
        level: The level it was asked at.
        raw: Its output, of the shape of ``x`` wherever the parametrisation asks for that.
        denoised: The clean sample it implies, within the sampler's limit.
        variance: The variance channels of a network that learned them.
        unguided: The output without guidance, of a network that returns ``PredictionPair``.
    """

    x: Array
    level: Level
    raw: Array
    denoised: Array
    variance: Array | None
    unguided: Array | None
    parametrisation: Parametrisation

    def epsilon(self) -> Array:
        """The noise that the output implies, before any limit."""
        return self.parametrisation.epsilon(self.raw, self.x, self.level)

    def derived_epsilon(self) -> Array:
        """The noise that is left between ``x`` and the denoised sample, after any limit."""
        return (self.x - self.level.alpha * self.denoised) / self.level.sigma


@final
@dataclass(frozen=True, slots=True)
class Denoiser:
    """A model together with the meaning of its output.

    Attributes:
        like_sample: Whether the output has the shape of ``x``. Twice the channels are then the prediction and its
            variance (Nichol & Dhariwal 2021), which a solver without a use for it does not look at.
    """

    model: Model
    parametrisation: Parametrisation
    limit: Limit | None = None
    like_sample: bool = True

    def __call__(self, x: Array, level: Level) -> Prediction:
        """Ask the network about ``x`` (batch, channels, ...) at a level.

        Raises:
            SamplerError: the output has neither the shape of ``x`` nor twice its channels.
        """
        answer = self.model(x if level.scale == 1 else x / level.scale, level.t)
        raw, unguided = (answer.prediction, answer.unguided) if isinstance(answer, PredictionPair) else (answer, None)
        variance = None
        if self.like_sample:
            raw, variance = _parted(raw, x)
            unguided = None if unguided is None else _parted(unguided, x)[0]
        denoised = self.parametrisation.denoised(raw, x, level)
        if self.limit is not None:
            denoised = self.limit(denoised)
        return Prediction(x, level, raw, denoised, variance, unguided, self.parametrisation)


def _parted(raw: Array, x: Array) -> tuple[Array, Array | None]:
    """An output as the prediction and, where the network predicts it, the variance."""
    if raw.shape == x.shape:
        return raw, None
    channels = x.shape[1]
    if raw.shape != (x.shape[0], 2 * channels, *x.shape[2:]):
        expected = f"an output of the sample's shape {x.shape}, or with twice its channels"
        raise SamplerError("model", got=raw.shape, expected=expected)
    return raw[:, :channels], raw[:, channels:]
