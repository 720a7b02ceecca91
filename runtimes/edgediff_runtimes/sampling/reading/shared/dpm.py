"""What the configs of DPM-Solver's variants share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.reading.shared.log_snr import FLOW_SWITCHES
from edgediff_runtimes.sampling.reading.shared.settings import BETAS, GRID_SWITCHES, THRESHOLDING, choose
from edgediff_runtimes.sampling.solvers.dpm_multistep import DpmMultistep
from edgediff_runtimes.sampling.solvers.exponential import NOISE_KINDS, SDE_KINDS

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.tensors import Array


def solver_type(settings: Settings) -> str:
    """``midpoint`` or ``heun``; names of other solvers' rules mean ``midpoint``, as in the reference."""
    name = choose(settings, "solver_type", ("midpoint", "heun", "logrho", "bh1", "bh2"))
    return "heun" if name == "heun" else "midpoint"


def algorithm(settings: Settings, kinds: tuple[str, ...]) -> str:
    """The kind of exponential integrator; ``deis`` means ``dpmsolver++``, as in the reference."""
    name = choose(settings, "algorithm_type", (*kinds, "deis"))
    return "dpmsolver++" if name == "deis" else str(name)


def multistep(
    settings: Settings, *, order: int, kind: str, brownian: tuple[float, float] | None = None
) -> DpmMultistep:
    """The multistep solver of a config's rules; classes without thresholding have nothing to derive the noise from."""
    return DpmMultistep(
        order=order,
        kind=kind,
        solver_type=solver_type(settings),
        lower_order_final=settings["lower_order_final"],
        euler_at_final=settings["euler_at_final"],
        derived=settings.get("thresholding", False),
        brownian=brownian,
    )


def check_kind(kind: str, *, order: int, ends_clean: bool) -> None:
    """Refuse noise prediction down to sigma 0, where noise says nothing, and orders that an SDE variant lacks.

    Raises:
        SamplerError: as said.
    """
    if kind in NOISE_KINDS and ends_clean:
        hint = "set `final_sigmas_type=sigma_min`, or take `dpmsolver++`"
        raise SamplerError("algorithm_type", got=kind, expected="a schedule that does not end at sigma 0", hint=hint)
    highest = 2
    if kind == "sde-dpmsolver" and order > highest:
        hint = "take `solver_order=2`, or `sde-dpmsolver++`"
        raise SamplerError("solver_order", got=order, expected="1 or 2 with `sde-dpmsolver`", hint=hint)


def check_fall(kind: str, sigmas: Array, last: float) -> None:
    """Refuse an SDE whose schedule ends above its last level: its noise would have a negative variance.

    Raises:
        SamplerError: as said.
    """
    if kind in SDE_KINDS and last > np.float32(sigmas[-1]):
        hint = "set `final_sigmas_type=zero`, or take fewer steps"
        raise SamplerError("final_sigmas_type", got="sigma_min", expected="an end below the last level", hint=hint)


DPM_FIELDS: dict[str, Any] = {
    **BETAS,
    **THRESHOLDING,
    **GRID_SWITCHES,
    **FLOW_SWITCHES,
    "solver_order": 2,
    "prediction_type": "epsilon",
    "algorithm_type": "dpmsolver++",
    "solver_type": "midpoint",
    "lower_order_final": True,
    "euler_at_final": False,
    "use_lu_lambdas": False,
    "final_sigmas_type": "zero",
    "lambda_min_clipped": -math.inf,
    "variance_type": None,
    "timestep_spacing": "linspace",
    "steps_offset": 0,
    "rescale_betas_zero_snr": False,
}
