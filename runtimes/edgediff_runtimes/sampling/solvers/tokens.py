"""Samplers of discrete tokens: VQ-Diffusion and masked image modelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.sampling.solver import OneCall, Outcome, Stateless, Stochastic

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array, Floats

_LOG_ZERO = np.float32(np.log(np.float32(1e-30)))
_SMALLEST = np.float32(1e-30)
_TINY = np.float32(1e-20)


@final
@dataclass(frozen=True, slots=True, eq=False)
class VqDiffusion(OneCall, Stateless, Stochastic):
    """VQ-Diffusion (Gu et al. 2022, equations 8 and 11, "mask and replace"), order 1, stochastic.

    The network gives log-probabilities of the clean tokens, (batch, classes - 1, tokens); the last class is the mask.

    Attributes:
        steps: Logarithms of (keep, replace, mask) for one step, float32 (3, timesteps).
        products: The same for all steps up to a timestep; one more column, for no step at all.
    """

    steps: Floats
    products: Floats

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Draw the tokens of the previous timestep from their posterior, by the Gumbel trick."""
        prediction, t = denoise(x, interval.start), int(interval.start.t.item())
        logits = prediction.raw if t == 0 else self._posterior(prediction.raw, x, t)
        uniform = noise.uniform(logits.shape)
        gumbel = -np.log(-np.log(uniform + _SMALLEST) + _SMALLEST)
        return Outcome((gumbel + logits).argmax(axis=1), prediction.denoised, state)

    def _posterior(self, log_clean: Array, x: Array, t: int) -> Array:
        classes = log_clean.shape[1] + 1
        onehot = np.where(np.arange(classes)[None, :, None] == x[:, None, :], np.float32(0), _LOG_ZERO)
        q = log_clean - self._reach(onehot, x, self.products[:, t])
        total = np.logaddexp.reduce(q, axis=1, keepdims=True)
        keep, replace, mask = self.products[:, t - 1]
        q = np.logaddexp(q - total + keep, replace)
        q = np.concatenate([q, np.full_like(q[:, :1], mask)], axis=1)
        return np.asarray(
            q + np.concatenate([self._reach(onehot, x, self.steps[:, t]), onehot[:, -1:]], axis=1) + total
        )

    @staticmethod
    def _reach(onehot: Array, x: Array, table: Floats) -> Array:
        """Log-probability of reaching ``x`` from every class that is no mask."""
        keep, replace, mask = table
        reach = np.logaddexp(onehot[:, :-1] + keep, replace)
        return np.asarray(np.where((x == onehot.shape[1] - 1)[:, None, :], mask, reach))


@final
@dataclass(frozen=True, slots=True)
class MaskedTokens(OneCall, Stateless, Stochastic):
    """MaskGIT's decoding (Chang et al. 2022, section 3.2; Patil et al. 2024, "aMUSEd"), order 1, stochastic.

    The network gives logits (batch, tokens, classes), or (batch, classes, height, width) for tokens in two dimensions.
    An interval's ``extra`` is (share of tokens that stay masked, temperature of the choice).

    Attributes:
        mask: The token that means "not drawn yet".
    """

    mask: int

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Draw all masked tokens, and mask those again that are least certain."""
        logits, flat = denoise(x, interval.start).raw, x.reshape(x.shape[0], -1)
        if logits.ndim > x.ndim and x.ndim > flat.ndim:
            logits = logits.reshape(*logits.shape[:2], -1).transpose(0, 2, 1)
        unknown = flat == self.mask
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        odds = (odds / odds.sum(axis=-1, keepdims=True)).astype(np.float32)
        rows = odds.reshape(-1, odds.shape[-1])
        drawn = (rows / noise.exponential(rows.shape)).argmax(axis=-1).reshape(flat.shape)
        drawn = np.where(unknown, drawn, flat)
        x_next = drawn
        if not interval.is_last:
            chosen = np.take_along_axis(odds, drawn[:, :, None], axis=-1)[:, :, 0]
            x_next = self._mask_again(
                drawn, np.where(unknown, chosen, np.finfo(np.float32).max), unknown, interval, noise
            )
        return Outcome(x_next.reshape(x.shape), drawn.reshape(x.shape), state)

    def _mask_again(self, drawn: Array, odds: Array, unknown: Array, interval: Interval, noise: NoiseSource) -> Array:
        share, temperature = interval.extra
        wanted = np.floor(np.float32(drawn.shape[1]) * np.float32(share))
        count = np.maximum(1, np.minimum(unknown.sum(axis=-1, keepdims=True) - 1, wanted)).astype(np.int64)
        gumbel = -np.log(np.maximum(-np.log(np.maximum(noise.uniform(odds.shape), _TINY)), _TINY))
        confidence = np.log(np.maximum(odds, _TINY)) + np.float32(temperature) * gumbel
        threshold = np.take_along_axis(np.sort(confidence, axis=-1), count, axis=1)
        return np.where(confidence < threshold, self.mask, drawn)
