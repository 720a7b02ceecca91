"""Bounds on the denoised sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

import numpy as np

if TYPE_CHECKING:
    from edgediff_runtimes.tensors import Array


class Limit(Protocol):
    """Something that brings a denoised sample back into its range."""

    def __call__(self, denoised: Array) -> Array:
        """The sample, within bounds."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Clip:
    """Static thresholding: values outside of [-bound, bound] are cut."""

    bound: float

    def __call__(self, denoised: Array) -> Array:
        """Cut a sample of any shape."""
        return np.clip(denoised, -self.bound, self.bound)


@final
@dataclass(frozen=True, slots=True)
class DynamicThreshold:
    """Dynamic thresholding of Saharia et al. 2022 ("Imagen", section 2.3): per image, cut at a quantile and rescale.

    Attributes:
        ratio: The quantile of absolute values, in [0, 1].
        highest: Upper bound of the threshold; the lower bound is 1.
    """

    ratio: float
    highest: float

    def __call__(self, denoised: Array) -> Array:
        """Cut and rescale a sample of shape (batch, ...)."""
        rows = denoised.reshape(denoised.shape[0], -1)
        threshold = np.quantile(np.abs(rows), self.ratio, axis=1).astype(denoised.dtype)
        bound = np.minimum(np.maximum(threshold, 1), self.highest)[:, None].astype(denoised.dtype)
        return np.asarray(np.clip(rows, -bound, bound) / bound).reshape(denoised.shape)
