"""Classifier-free guidance, at which calls it is, and the network under it as a sampler calls it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np

from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.parts import Context, Value, run_part
from edgediff_runtimes.parts.fitting import fitting
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance
from edgediff_runtimes.running.windows import Windows
from edgediff_runtimes.sampling import PredictionPair, Sampler
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.tensors import Floats

PLAIN = Guidance()
# What is computed at one call of a sampler: all predictions, or the conditional one, to which the last differences are
# added, or nothing is.
Computing: TypeAlias = Literal["all", "held", "conditional"]


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
        "conditional" if not guided else "all" if (place - 1) % settings.reuse_guidance == 0 else "held"
        for guided, place in zip(inside, places, strict=True)
    )


def combine(*predictions: Floats, scales: Sequence[float], rescale: float = 0.0, guidance: Guidance = PLAIN) -> Floats:
    """Predictions into one, ``unconditional + scale * (conditional - unconditional)``.

    Ho and Salimans 2022, "Classifier-Free Diffusion Guidance", eq. 6 (there ``scale = 1 + w``); of three, Brooks et al.
    2023, "InstructPix2Pix", eq. 3. ``rescale`` mixes in the result scaled to the deviation of the conditional
    prediction: Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", eqs. 15 and 16, per
    image over all other axes.

    Args:
        predictions: The one with the fewest conditions first, the conditional one last: ``(batch, ...)``, float32.
        scales: Of the difference of the last two, then of the two before. 1 gives the conditional prediction back.
        rescale: The paper's φ, 0 (none) to 1.
        guidance: Where the difference is added, and whether the result is brought to the norm of the conditional one.
    """
    conditional = predictions[-1]
    guided: Floats = conditional if guidance.origin == "conditional" else predictions[0]
    for scale, with_it, without in zip(scales, predictions[:0:-1], predictions[-2::-1], strict=True):
        guided = guided + np.float32(scale) * (with_it - without)
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
    """``network(x, t) -> prediction``: the network parts of a stage with their conditions, guided, in one call or more.

    Attributes:
        parts: What is computed at every call.
        context: Of the run; its values are those of the call.
        branches: The conditions of the guided branch, and of those with fewer conditions where there is guidance.
        guidance: How their predictions become one.
        scales: See ``combine``.
        rescale: See ``combine``.
        split: A call of ``batch`` pictures for each branch in place of one for all: less memory, the same result.
        with_unguided: Return a pair, the unguided prediction beside the guided one, as CFG++ wants it.
        calls: What is computed at each call of a guided run, see ``guidance_calls``.
        windows: Where the network looks, one after the other; None: at all of the sample at once.
    """

    parts: Sequence[Part]
    context: Context
    branches: Sequence[Mapping[str, Value]]
    guidance: Guidance
    scales: Sequence[float]
    rescale: float
    split: bool
    with_unguided: bool
    calls: Sequence[Computing]
    windows: Windows | None = None
    _asked: int = 0
    _differences: Sequence[Floats] = ()

    def __call__(self, x: Floats, t: float) -> Floats | PredictionPair:
        """The prediction for ``x`` of shape ``(batch, channels, height, width)`` at time step ``t``, float32.

        Channels beyond those of ``x``, a predicted variance, are the conditional call's, without guidance.
        """
        conditions = self.branches[::-1]  # the fewest first
        self.context.call, self.context.calls = self._asked, len(self.calls)
        self._asked += 1
        if len(conditions) == 1:
            return self._predict(x, t, conditions[0])
        computing, channels = self.calls[self.context.call], x.shape[1]
        if computing != "all":
            alone = self._predict(x, t, conditions[-1])
            if computing == "conditional":
                return alone
            whole = [*(alone[:, :channels] - difference for difference in self._differences), alone]
        elif self.split:
            whole = [self._predict(x, t, branch) for branch in conditions]
        else:
            together = self._predict(np.concatenate([x] * len(conditions)), t, _one_behind_the_other(conditions))
            whole = np.split(together, len(conditions))
        predictions = [prediction[:, :channels] for prediction in whole]
        if computing == "all":
            self._differences = [predictions[-1] - prediction for prediction in predictions[:-1]]
        with fitting(self.context.stage, "guidance"):
            guided = combine(*predictions, scales=self.scales, rescale=self.rescale, guidance=self.guidance)
        if whole[-1].shape[1] > channels:
            guided = np.concatenate([guided, whole[-1][:, channels:]], axis=1)
        return PredictionPair(guided, whole[0]) if self.with_unguided else guided

    def _predict(self, x: Floats, t: float, conditions: Mapping[str, Value]) -> Floats:
        if self.windows is None:
            return self._ask(x, t, conditions)
        return self.windows.predict(lambda x, conditions: self._ask(x, t, conditions), x, conditions)

    def _ask(self, x: Floats, t: float, conditions: Mapping[str, Value]) -> Floats:
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


def _one_behind_the_other(conditions: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    return {
        name: value
        if value.rows is None
        else Value(np.concatenate([branch[name].array for branch in conditions]), value.rows)
        for name, value in conditions[0].items()
    }
