"""``edgediff.plan``: a budget in, a plan out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from edgediff.bench.request import AS_EXPORTED
from edgediff.planning.budget import Budget
from edgediff.planning.choosing import choose
from edgediff.planning.measuring import Progress, measure
from edgediff.planning.plan import Plan, described, figures_in_words
from edgediff.planning.predicting import candidates
from edgediff.planning.variants import Asked, variants
from edgediff_runtimes.errors import BudgetError, EngineError, SettingError
from edgediff_runtimes.placement import ByRole
from edgediff_runtimes.plain import as_finite, as_whole, readable_bytes, readable_seconds

if TYPE_CHECKING:
    from typing_extensions import Unpack  # typing's own came with Python 3.11

AT_MOST_S = 300.0


class PlanKeywords(TypedDict, total=False):
    """What a plan is for, and what it may choose from.

    Attributes:
        width: Pixels; default: the bundle's.
        height: Pixels; default: the bundle's.
        steps: Sampling steps, or numbers of them to choose from; default: the bundle's.
        guidance: Guidance scale; default: the bundle's.
        engine: An engine or several to choose from; default: all that are installed and read the bundle.
        device: A device or several to choose from, each for all components or by component; default: the engine's
            first.
        execution: What floats are computed in, or several to choose from: ``f32``, ``bf16``, ``f16``, or ``graph``, the
            default: what the bundle's precision asks for.
        threads: Threads that compute one graph; default: the engine's choice.
    """

    width: int | None
    height: int | None
    steps: int | Sequence[int] | None
    guidance: float | None
    engine: str | Sequence[str] | None
    device: ByRole[str] | Sequence[ByRole[str]] | None
    execution: ByRole[str] | Sequence[ByRole[str]] | None
    threads: int | None


def plan(
    bundles: str | Path | Sequence[str | Path],
    *,
    memory: int | str | None = None,
    latency: float | str | None = None,
    min_psnr: float | None = None,
    prefer: str | None = None,
    at_most_s: float = AT_MOST_S,
    fresh: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    **choices: Unpack[PlanKeywords],
) -> Plan:
    """Find out which of some bundles to take on this machine, and with which settings, by short measurements.

    Each bundle is measured on each engine in each way of saving memory, in processes of their own that draw three
    steps; whole pictures are worked out from that. What was measured is kept for later plans; see ``docs/plan.md``.

    Args:
        bundles: A bundle or several, such as one in fp32 and one in int8: directories, or names of shipped models.
        memory: Most private memory of the process at its peak, in bytes or as ``8GB``.
        latency: Most time of a picture, loading included, in seconds or as ``20s``.
        min_psnr: Least mean PSNR against fp32 in dB, as manifests prove it.
        prefer: What is best among what keeps to these: ``quality``, ``time`` or ``memory``; default: the first of them
            without a limit, else ``time``.
        at_most_s: Seconds after which nothing further is measured, once there is anything to choose from.
        fresh: Measure also what was measured before.
        on_progress: Told before each measurement, with what the last one gave.
        **choices: What is drawn, and what there is to choose from, see ``PlanKeywords``.

    Returns:
        The plan.

    Raises:
        BudgetError: No candidate keeps to the budget; it has the nearest one as a plan.
        SettingError: An option cannot be applied.
        BundleError: There is no valid bundle.
        EngineError: Nothing could be measured.
    """
    budget = Budget.read(memory=memory, latency=latency, min_psnr=min_psnr, prefer=prefer)
    limit = as_finite(at_most_s)
    if limit is None or limit <= 0:
        raise SettingError("at_most_s", got=at_most_s, expected="a number of seconds above 0")
    listed, refused = variants(_asked(bundles, choices))
    measured, failed = measure(listed, at_most_s=limit, fresh=fresh, on_progress=on_progress)
    if not measured:
        raise EngineError(f"nothing could be measured: {failed[0].name}: {failed[0].reason}")
    found = candidates(measured)
    made = Plan(budget, choose(found, budget), tuple(found), tuple(measured), (*refused, *failed))
    if not made.choice.fits:
        raise BudgetError(_impossible(made), nearest=made)
    return made


def _asked(bundles: str | Path | Sequence[str | Path], choices: PlanKeywords) -> Asked:
    if unknown := choices.keys() - PlanKeywords.__annotations__.keys():
        known = ", ".join(PlanKeywords.__annotations__)
        raise SettingError("options", got=min(unknown), expected=f"one of {known}")
    width, height = choices.get("width"), choices.get("height")
    if (width is None) != (height is None):
        missing = "width" if width is None else "height"
        raise SettingError(missing, got=None, expected="both width and height, or neither")
    listed = _several("bundles", bundles, str, os.PathLike)
    return Asked(
        # a path is a directory, also where a shipped model has its name
        bundles=tuple(one if isinstance(one, str) else str(Path(one).absolute()) for one in listed),
        size=None if width is None or height is None else (width, height),
        steps=_numbers(choices.get("steps")),
        guidance=choices.get("guidance"),
        engines=_several("engine", choices.get("engine"), str),
        devices=_several("device", choices.get("device"), str, Mapping) or ("auto",),
        executions=_several("execution", choices.get("execution"), str, Mapping) or (AS_EXPORTED,),
        threads=choices.get("threads"),
    )


def _several(name: str, given: object, *kinds: type) -> tuple[Any, ...]:
    """One value of these kinds or several as several; none for None."""
    if given is None or isinstance(given, kinds):
        return () if given is None else (given,)
    if not isinstance(given, Sequence) or not all(isinstance(one, kinds) for one in given):
        expected = "names by component, or a name" if Mapping in kinds else "a name"
        raise SettingError(name, got=given, expected=f"{expected}, or several such")
    return tuple(given)


def _numbers(steps: object) -> tuple[int, ...]:
    """One number of steps or several as several; none for None."""
    listed = () if steps is None else steps if isinstance(steps, list | tuple) else (steps,)
    numbers = [as_whole(one) for one in listed]
    if None in numbers:
        raise SettingError("steps", got=steps, expected="a whole number of steps, or several")
    return tuple(number for number in numbers if number is not None)


def _impossible(made: Plan) -> str:
    budget, nearest = made.budget, made.choice.plan
    limits = [] if budget.memory is None else [readable_bytes(budget.memory)]
    limits += [] if budget.latency is None else [readable_seconds(budget.latency)]
    limits += [] if budget.min_psnr is None else [f"{budget.min_psnr:g} dB"]
    known = f"{described(nearest)}, with {figures_in_words(nearest)}"
    return f"no plan keeps to {' and '.join(limits)}: the nearest is {known}"
