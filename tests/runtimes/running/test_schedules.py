"""Dynamic shifting: what a stage adds to the scheduler's config."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from edgediff_runtimes.recipe.recipe import Schedule, Space
from edgediff_runtimes.running import schedules


@pytest.mark.parametrize(
    # By diffusers' `compute_empirical_mu`.
    ("side", "steps", "mu"),
    [(192, 4, 1.9601402825300882), (4096, 50, 2.0233511571292633), (5000, 4, 1.30301666)],
)
def test_the_shift_of_flux2_is_a_fit_to_tokens_and_steps(side, steps, mu):
    stage = SimpleNamespace(space=Space(16, factor=16), schedule=Schedule(shift="flux2", token=16))
    settings = SimpleNamespace(width=16 * side, height=16, steps=steps)
    assert schedules._mu(stage, settings, {}) == pytest.approx(mu, rel=1e-12)
