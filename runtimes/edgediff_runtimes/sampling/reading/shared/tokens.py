"""What samplers of discrete tokens share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Level

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.tensors import Array

WHOLE = "tokens have no noise level between: pass the partly masked tokens as `noise`"


@final
@dataclass(frozen=True, slots=True)
class Tokens:
    """The network gives scores of tokens; their axis is the second one."""

    name: str = "tokens"

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:  # noqa: ARG002 - one seam for all kinds
        """The likeliest tokens."""
        return np.asarray(raw.argmax(axis=1))

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:  # noqa: ARG002 - one seam for all kinds
        """The scores: tokens have no noise."""
        return raw


def token_level(t: int) -> Level:
    """A place in a schedule of tokens, known by its timestep only."""
    return Level(np.int64(t), 1.0, 0.0, 1.0, float(t))


def needed(settings: Settings, name: str) -> int:
    """A field without a default.

    Raises:
        SamplerError: it is missing.
    """
    if not isinstance(settings[name], int):
        raise SamplerError(name, got=settings[name], expected="a whole number, which the config must give")
    return int(settings[name])
