"""Classifier-free guidance, and the network under it as a sampler calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.components import Loaded
from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.tensors import Array, Floats


def combine(unconditional: Floats, conditional: Floats, *, scale: float, rescale: float) -> Floats:
    """Two predictions into one, ``unconditional + scale * (conditional - unconditional)``.

    Ho and Salimans 2022, "Classifier-Free Diffusion Guidance", eq. 6 (there ``scale = 1 + w``). ``rescale`` mixes in
    the result scaled to the deviation of the conditional prediction: Lin et al. 2023, "Common Diffusion Noise Schedules
    and Sample Steps are Flawed", eqs. 15 and 16, per image over all other axes.

    Args:
        unconditional: ``(batch, ...)``, float32.
        conditional: Of the same shape.
        scale: 1 gives the conditional prediction back.
        rescale: The paper's φ, 0 (none) to 1.
    """
    guided: Floats = unconditional + np.float32(scale) * (conditional - unconditional)
    if rescale == 0:
        return guided
    axes = tuple(range(1, guided.ndim))
    wanted, got = (array.std(axes, ddof=1, keepdims=True) for array in (conditional, guided))
    # A constant prediction has no deviation to restore.
    deviation = np.divide(wanted, got, out=np.ones_like(got), where=got > 0)
    rescaled: Floats = guided * deviation
    return np.float32(rescale) * rescaled + np.float32(1 - rescale) * guided


def guidance_embedding(scale: float, *, batch: int, dim: int) -> Floats:
    """The guidance scale as a distilled network takes it: ``(batch, dim)`` sines and cosines of ``1000 * (scale - 1)``.

    Luo et al. 2023, "Latent Consistency Models", section 4.2: the scale w is embedded like a time step.
    """
    half = dim // 2
    frequencies = np.exp(np.arange(half, dtype=np.float32) * np.float32(-np.log(10_000.0) / (half - 1)))
    phase = np.float32((scale - 1) * 1000) * frequencies
    row = np.concatenate([np.sin(phase), np.cos(phase), np.zeros(dim % 2, np.float32)])
    return np.repeat(row[None], batch, axis=0)


@final
@dataclass(slots=True)
class GuidedNetwork:
    """``network(x, t) -> prediction``: the U-Net with its prompt, guided, one call or two.

    Attributes:
        unet: The loaded component.
        conditional: Prompt embeddings, ``(batch, tokens, dim)``.
        unconditional: Embeddings of the negative prompt, or None for one call without guidance.
        scale: Guidance scale.
        rescale: See ``combine``.
        split: Two calls of ``batch`` images in place of one of ``2 * batch``: less memory, the same result.
        with_unguided: Give the unguided prediction too, behind the guided one in channels, as CFG++ wants it.
        cancel: Ends a call early.
        step: The sampling step in progress, from 0, for errors.
    """

    unet: Loaded
    conditional: Floats
    unconditional: Floats | None
    scale: float
    rescale: float
    split: bool
    with_unguided: bool
    cancel: CancelToken
    step: int = 0

    def __call__(self, x: Floats, t: float) -> Floats:
        """The prediction for ``x`` of shape ``(batch, channels, height, width)`` at time step ``t``, float32."""
        if self.unconditional is None:
            return self._predict(x, t, self.conditional)
        if self.split:
            pair = self._predict(x, t, self.unconditional), self._predict(x, t, self.conditional)
        else:
            both = self._predict(np.concatenate([x, x]), t, np.concatenate([self.unconditional, self.conditional]))
            pair = both[: len(x)], both[len(x) :]
        guided = combine(*pair, scale=self.scale, rescale=self.rescale)
        return np.concatenate([guided, pair[0]], axis=1) if self.with_unguided else guided

    def _predict(self, x: Floats, t: float, embeddings: Floats) -> Floats:
        feeds: dict[str, Array] = {
            "sample": x,
            "timestep": self._timestep(t),
            "encoder_hidden_states": embeddings,
        }
        condition = self.unet.inputs.get("timestep_cond")
        if condition is not None:
            feeds["timestep_cond"] = guidance_embedding(self.scale, batch=len(x), dim=int(condition.shape[1]))
        prediction = self.unet.run("out_sample", feeds, cancel=self.cancel, step=self.step)
        return prediction.astype(np.float32, copy=False)

    def _timestep(self, t: float) -> Array:
        """``t`` in the rank the graph declares: a scalar, or one entry that stands for the whole batch."""
        spec = self.unet.inputs["timestep"]
        if np.dtype(spec.dtype).kind == "i" and t != int(t):
            raise SamplerError(
                "sampler",
                got=f"one with the time step {t:.2f}",
                expected="one with whole time steps, because this bundle's graph takes integers",
                hint="`timestep_spacing=leading` gives whole steps; a graph exported by edgediff takes any",
            )
        return np.full([1] * len(spec.shape), t, np.float64)
