"""Linear multistep."""

from __future__ import annotations

from functools import partial

from edgediff_runtimes.sampling.reading.shared.exploding import SPACING, plain
from edgediff_runtimes.sampling.reading.shared.settings import BETAS, GRID_SWITCHES, Reading
from edgediff_runtimes.sampling.solvers.lms import Lms

READING = Reading({**BETAS, **SPACING, **GRID_SWITCHES}, partial(plain, solver=Lms()))
