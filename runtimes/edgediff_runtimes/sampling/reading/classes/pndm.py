"""PNDM, with Runge-Kutta steps or without."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Interval
from edgediff_runtimes.sampling.reading.shared.discrete_time import final_product, level_at, spaced_timesteps
from edgediff_runtimes.sampling.reading.shared.settings import BETAS, Reading, parametrisation, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.solvers.pndm import Pndm

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.reading.shared.settings import Settings

# Start, end, the levels passed through, and the stage of a Runge-Kutta step.
_Row: TypeAlias = "tuple[Level, Level, tuple[Level, ...], int | None]"
_RUNGE_KUTTA_STEPS = 3
_PNDM_ORDER = 4


def _build(settings: Settings) -> Sampler:
    train, steps = settings["num_train_timesteps"], steps_of(settings, most=settings["num_train_timesteps"])
    products, stride = alphas_cumprod(settings), train // steps
    final = final_product(settings, products)
    timesteps = spaced_timesteps(settings, steps).tolist()

    def level(t: int) -> Level:
        return level_at(products, t, final)

    if settings["skip_prk_steps"]:
        calls = [timesteps[0], *timesteps[1:2], *timesteps[1:]] if steps > 1 else timesteps
        rows: list[_Row] = [(level(t), level(t - stride), (level(min(t + stride, train - 1)),), None) for t in calls]
    elif steps < _PNDM_ORDER:
        hint = "take more steps, or `skip_prk_steps=True`"
        raise SamplerError("steps", got=steps, expected=f"at least {_PNDM_ORDER} with Runge-Kutta steps", hint=hint)
    else:
        rows = _runge_kutta_rows(timesteps, stride // 2, level)
        rows += [(level(t), level(t - stride), (), None) for t in timesteps[_RUNGE_KUTTA_STEPS:]]
    return Sampler(
        intervals=tuple(Interval(a, b, i, steps, via, extra) for i, (a, b, via, extra) in enumerate(rows)),
        solver=Pndm(),
        parametrisation=parametrisation(settings, ("epsilon", "v_prediction")),
        whole="" if settings["skip_prk_steps"] else "set `skip_prk_steps=True`",
    )


def _runge_kutta_rows(timesteps: list[int], half: int, level: Callable[[int], Level]) -> list[_Row]:
    """Four calls for each of the first three steps: at its start, twice at its middle, at its end."""
    rows: list[_Row] = []
    for t, below in pairwise(timesteps[: _RUNGE_KUTTA_STEPS + 1]):
        base, middle = (level(t),), below + half
        rows += [
            (level(t), level(t - half), base, 0),
            (level(middle), level(middle), base, 1),
            (level(middle), level(middle - half), base, 2),
            (level(below), level(below), base, 3),
        ]
    return rows


_FIELDS: dict[str, Any] = {
    **BETAS,
    "skip_prk_steps": False,
    "set_alpha_to_one": False,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 0,
}

READING = Reading(_FIELDS, _build)
