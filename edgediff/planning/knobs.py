"""What a plan may set beside bundle, engine, device and execution: one row a setting."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

from edgediff_runtimes.bundle import Bundle, ProvedReuse
from edgediff_runtimes.parts.tiling import LEAST, OVERLAP
from edgediff_runtimes.settings import Settings

Values: TypeAlias = dict[str, Any]
_TILES_ALONG = (2, 4)  # tiles along the longer side


@final
@dataclass(frozen=True, slots=True)
class Work:
    """What is to be drawn: a bundle and the settings of a whole run with it, in the steps that are asked for.

    Attributes:
        bundle: The bundle.
        settings: Of a run in the most steps.
        steps: All numbers of steps that are asked for, the most first.
        proofs: For each of them the schedules of reuse that the bundle proves for it, by the calls that they make.
    """

    bundle: Bundle
    settings: Settings
    steps: tuple[int | None, ...]
    proofs: Mapping[int | None, Mapping[int, ProvedReuse]] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Knob:
    """A setting that a plan chooses.

    Attributes:
        name: As ``edgediff.load`` or a call of the pipeline names it.
        values: What to try for some work, the default first.
        measured: Whether each value is measured for itself; else what it does is worked out from the others' figures.
        needs: What other knobs must be at for this one to be anything but its default: it is of use only there.
        of_a_call: Whether it is an option of a call; else one of loading.
    """

    name: str
    values: Callable[[Work], Sequence[Any]]
    measured: bool
    needs: Mapping[str, Any] = field(default_factory=dict)
    of_a_call: bool = False


def _tiles(work: Work) -> tuple[int | None, ...]:
    """None, and the pixels of tiles that cut the longer side into two and into four, where tiles are not too small."""
    recipe, settings = work.bundle.manifest.recipe, work.settings
    entry = recipe.stages[-1].space.factor
    longest = max(settings.width, settings.height) // entry
    sides = [-(-(longest + (count - 1) * OVERLAP) // count) for count in _TILES_ALONG]
    found = [side * entry for side in sides if LEAST <= side < longest]
    return None, *(found if "tile" in recipe.options else ())


def _decoders(work: Work) -> tuple[str | None, ...]:
    """None, which is the full one, and the small one where the bundle has it."""
    return (None, "tiny") if "decoder" in work.bundle.manifest.recipe.options else (None,)


def _calls_proved(work: Work) -> tuple[int | None, ...]:
    """None, and numbers of network calls that were measured to be enough: the others are extrapolated."""
    return None, *sorted({calls for proofs in work.proofs.values() for calls in proofs}, reverse=True)


KNOBS: tuple[Knob, ...] = (
    Knob("residency", lambda _: ("resident", "sequential"), measured=True),
    Knob("low_memory", lambda _: (False, True), measured=True, needs={"residency": "sequential"}),
    Knob("decoder", _decoders, measured=True, of_a_call=True),
    # Tiles make the peak of a decode smaller, which is the process's where nothing else stays beside it.
    Knob("tile", _tiles, measured=True, needs={"residency": "sequential", "decoder": None}, of_a_call=True),
    Knob("steps", lambda work: work.steps, measured=False, of_a_call=True),
    Knob("reuse", _calls_proved, measured=False, of_a_call=True),
)


def settings_to_measure(work: Work) -> Iterator[Values]:
    """Every combination of the values of measured knobs, those that save least memory first."""
    return _combinations([knob for knob in KNOBS if knob.measured], work)


def settings_to_predict(work: Work) -> Iterator[Values]:
    """Every combination of the values of the others."""
    for values in _combinations([knob for knob in KNOBS if not knob.measured], work):
        if values["reuse"] is None or values["reuse"] in work.proofs.get(values["steps"], {}):
            yield values


def _combinations(knobs: Sequence[Knob], work: Work) -> Iterator[Values]:
    choices = {knob.name: tuple(knob.values(work)) for knob in knobs}
    for chosen in itertools.product(*choices.values()):
        values = dict(zip(choices, chosen, strict=True))
        if all(_may_be(knob, values, default=choices[knob.name][0]) for knob in knobs):
            yield values


def _may_be(knob: Knob, values: Values, *, default: object) -> bool:
    met = all(values.get(name) == wanted for name, wanted in knob.needs.items())
    return met or values[knob.name] == default


def load_options(values: Values) -> Values:
    """Those that ``edgediff.load`` takes; saving memory splits the calls of guidance as well."""
    options = {knob.name: values[knob.name] for knob in KNOBS if not knob.of_a_call and knob.name in values}
    return options | {"split_guidance": bool(values.get("low_memory"))}


def call_options(values: Values) -> Values:
    """Those that a call of the pipeline takes; without the ones that are at None."""
    names = [knob.name for knob in KNOBS if knob.of_a_call and values.get(knob.name) is not None]
    return {name: values[name] for name in names}
