"""Part of a sample is known: it is kept at every noise level, and the rest is drawn to fit.

What diffusers' inpainting pipelines do with networks that see nothing but the sample: after every step the known part
is put back, noised to the level that the sample is at now, with the noise that the run began with (Lugmayr et al. 2022,
"RePaint", eq. 8, with one noise for all steps and without its resampling).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.prediction import Prediction
    from edgediff_runtimes.sampling.solver import Denoise
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the result.

    Attributes:
        sample: The clean sample, float32, of the shape of the noise or with one row for all pictures.
        unknown: 1 where the sample is drawn, 0 where it is known; float32, broadcasts to the sample.
        noise: The noise that the run begins with, float32, unit variance.
    """

    sample: Array
    unknown: Array
    noise: Array

    def over(self, x: Array, level: Level | None) -> Array:
        """``x`` with the known part in its place, noised to a level; None: clean."""
        kept = self.sample if level is None else level.alpha * self.sample + level.sigma * self.noise
        mixed: Array = (1 - self.unknown) * kept + self.unknown * x
        return mixed

    def within(self, denoise: Denoise) -> Denoise:
        """What a solver asks in one step: from its second call on, the network sees the known part as well.

        Solvers work on each entry of a sample by itself, so that it is enough where the network looks, and behind the
        step.
        """
        asked = False

        def answer(x: Array, level: Level) -> Prediction:
            nonlocal asked
            seen, asked = (self.over(x, level) if asked else x), True
            return denoise(seen, level)

        return answer
