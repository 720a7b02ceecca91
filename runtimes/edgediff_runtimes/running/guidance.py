"""Classifier-free guidance, at which calls it is, and the network under it as a sampler calls it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, final

import numpy as np

from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.parts import Context, Value, run_part
from edgediff_runtimes.parts.fitting import fitting
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance
from edgediff_runtimes.sampling import PredictionPair, Sampler
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.tensors import Floats

PLAIN = Guidance()
# What is computed at one call of a sampler: both predictions, or the conditional one, to which the last difference of
# the two is added, or nothing is.
Computing: TypeAlias = Literal["both", "held", "conditional"]


def guidance_calls(settings: Settings, sampler: Sampler) -> tuple[Computing, ...]:
    """What is computed at each network call of a guided run, in call order.

    Guidance at some noise levels alone: Kynkäänniemi et al. 2024, "Applying Guidance in a Limited Interval Improves
    Sample and Distribution Quality in Diffusion Models". The difference of the predictions reused: Lv et al. 2024,
    "FasterCache" (CFG-Cache), without its weights by frequency.
    """
    low, high = (-math.inf, None) if settings.guidance_interval is None else settings.guidance_interval
    inside = [low < level.nominal and (high is None or level.nominal <= high) for level in sampler.calls]
    places = itertools.accumulate(inside)
    return tuple(
        "conditional" if not guided else "both" if (place - 1) % settings.reuse_guidance == 0 else "held"
        for guided, place in zip(inside, places, strict=True)
    )


def combine(
    unconditional: Floats, conditional: Floats, *, scale: float, rescale: float = 0.0, guidance: Guidance = PLAIN
) -> Floats:
    """Two predictions into one, ``unconditional + scale * (conditional - unconditional)``.

    Ho and Salimans 2022, "Classifier-Free Diffusion Guidance", eq. 6 (there ``scale = 1 + w``). ``rescale`` mixes in
    the result scaled to the deviation of the conditional prediction: Lin et al. 2023, "Common Diffusion Noise Schedules
    and Sample Steps are Flawed", eqs. 15 and 16, per image over all other axes.

    Args:
        unconditional: ``(batch, ...)``, float32.
        conditional: Of the same shape.
        scale: 1 gives the conditional prediction back.
        rescale: The paper's φ, 0 (none) to 1.
        guidance: Where the difference is added, and whether the result is brought to the norm of the conditional one.
    """
    origin = conditional if guidance.origin == "conditional" else unconditional
    guided: Floats = origin + np.float32(scale) * (conditional - unconditional)
    if guidance.norm is not None:
        lengths = [_norm(array, axis=guidance.norm, patch=guidance.norm_patch) for array in (conditional, guided)]
        guided = guided * (lengths[0] / lengths[1])
    if rescale == 0:
        return guided
    axes = tuple(range(1, guided.ndim))
    wanted, got = (array.std(axes, ddof=1, keepdims=True) for array in (conditional, guided))
    # A constant prediction has no deviation to restore.
    deviation = np.divide(wanted, got, out=np.ones_like(got), where=got > 0)
    rescaled: Floats = guided * deviation
    return np.float32(rescale) * rescaled + np.float32(1 - rescale) * guided


def _norm(array: Floats, *, axis: int, patch: int) -> Floats:
    """Along an axis, kept; of squares of entries, the norms of the whole, once for each of their entries."""
    norm: Floats = np.linalg.norm(array, axis=axis, keepdims=True)
    if patch == 1:
        return norm
    batch, channels, height, width = norm.shape
    squares = norm.reshape(batch, channels, height // patch, patch, width // patch, patch)
    whole: Floats = np.linalg.norm(squares, axis=(3, 5))
    repeated: Floats = whole.repeat(patch, axis=2).repeat(patch, axis=3)
    return repeated


@final
@dataclass(slots=True)
class Guided:
    """``network(x, t) -> prediction``: the network parts of a stage with their conditions, guided, one call or two.

    Attributes:
        parts: What is computed at every call.
        context: Of the run; its values are those of the call.
        branches: The conditions of the guided branch, and of the unguided one where there is guidance.
        guidance: How two predictions become one.
        scale: Guidance scale.
        rescale: See ``combine``.
        split: Two calls of ``batch`` pictures in place of one of ``2 * batch``: less memory, the same result.
        with_unguided: Return a pair, the unguided prediction beside the guided one, as CFG++ wants it.
        calls: What is computed at each call of a guided run, see ``guidance_calls``.
    """

    parts: Sequence[Part]
    context: Context
    branches: Sequence[Mapping[str, Value]]
    guidance: Guidance
    scale: float
    rescale: float
    split: bool
    with_unguided: bool
    calls: Sequence[Computing]
    _asked: int = 0
    _difference: Floats = field(default_factory=lambda: np.zeros((), np.float32))

    def __call__(self, x: Floats, t: float) -> Floats | PredictionPair:
        """The prediction for ``x`` of shape ``(batch, channels, height, width)`` at time step ``t``, float32.

        Channels beyond those of ``x``, a predicted variance, are the conditional call's, without guidance.
        """
        conditional, *unconditional = self.branches
        if not unconditional:
            return self._predict(x, t, conditional)
        computing, channels = self.calls[self._asked], x.shape[1]
        self._asked += 1
        if computing != "both":
            alone = self._predict(x, t, conditional)
            if computing == "conditional":
                return alone
            pair = alone[:, :channels] - self._difference, alone
        elif self.split:
            pair = self._predict(x, t, unconditional[0]), self._predict(x, t, conditional)
        else:
            both = self._predict(np.concatenate([x, x]), t, _one_behind_the_other(unconditional[0], conditional))
            pair = both[: len(x)], both[len(x) :]
        predictions = [prediction[:, :channels] for prediction in pair]
        if computing == "both":
            self._difference = predictions[1] - predictions[0]
        with fitting(self.context.stage, "guidance"):
            guided = combine(*predictions, scale=self.scale, rescale=self.rescale, guidance=self.guidance)
        if pair[1].shape[1] > channels:
            guided = np.concatenate([guided, pair[1][:, channels:]], axis=1)
        return PredictionPair(guided, pair[0]) if self.with_unguided else guided

    def _predict(self, x: Floats, t: float, conditions: Mapping[str, Value]) -> Floats:
        self.context.values = {
            **conditions,
            "x": Value(x, "pictures"),
            "t": Value(np.full(1, t, np.float64)),
            "t_rows": Value(np.full(len(x), t, np.float64), "pictures"),
        }
        for part in self.parts:
            run_part(part, self.context)
        prediction = self.context.array("prediction")
        fits = prediction.ndim == x.ndim and prediction.shape[1] >= x.shape[1]
        if not fits or (len(prediction), *prediction.shape[2:]) != (len(x), *x.shape[2:]):
            problem = f"predicts {list(prediction.shape)}"
            raise RecipeError(self.context.stage, "network", problem, f"{list(x.shape)}, as what it is asked about")
        return prediction.astype(np.float32, copy=False)


def _one_behind_the_other(first: Mapping[str, Value], second: Mapping[str, Value]) -> dict[str, Value]:
    return {
        name: value if value.rows is None else Value(np.concatenate([value.array, second[name].array]), value.rows)
        for name, value in first.items()
    }
