"""How the cases of a class are spread over prediction types, spacings, grids, steps and strengths."""

from __future__ import annotations

from typing import Any

from sampler_reference import Case

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PREDICTIONS = ("epsilon", "v_prediction", "sample")
SPACINGS = ("leading", "trailing", "linspace")
GRIDS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
STEPS = (1, 2, 4, 10, 20, 50)


def case(cls: str, steps: int | None = 7, *, call: dict[str, Any] | None = None, name: str = "", **config: Any) -> Case:
    options = {k: config.pop(k) for k in ("strength", "shape", "channels", "tolerance", "t_atol") if k in config}
    shown = {**config, **(call or {}), **{k: v for k, v in options.items() if k not in ("tolerance", "t_atol")}}
    parts = [f"{k}={v}" for k, v in shown.items() if k not in SD or SD[k] != v]
    label = name or "-".join([f"n{steps}", *parts])
    return Case(label, {"_class_name": cls, **config}, steps, call or {}, **options)


def spread(
    cls: str,
    *,
    predictions: tuple[str, ...] = PREDICTIONS,
    spacings: tuple[str, ...] = SPACINGS,
    steps: tuple[int, ...] = STEPS,
    **config: Any,
) -> list[Case]:
    """Prediction types x spacings, then numbers of steps."""
    cases = [
        case(cls, prediction_type=p, timestep_spacing=s, steps_offset=1 if s == "leading" else 0, **{**SD, **config})
        for p in predictions
        for s in spacings
    ]
    return cases + [case(cls, n, **{**SD, **config}) for n in steps]


def grids(cls: str, **config: Any) -> list[Case]:
    return [case(cls, n, **{grid: True}, **{**SD, **config}) for grid in GRIDS for n in (4, 12)]


def strengths(cls: str, **config: Any) -> list[Case]:
    return [case(cls, 10, strength=s, **{**SD, **config}) for s in (0.3, 0.75, 1.0)]


def strengths_of(cls: str, **config: Any) -> list[Case]:
    return [case(cls, 10, strength=s, **config) for s in (0.3, 1.0)]
