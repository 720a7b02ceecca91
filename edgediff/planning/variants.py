"""What there is to choose from: each bundle where it can be computed, in each way of saving memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, final

from edgediff.api import open_bundle
from edgediff.bench.request import AS_EXPORTED, Case, Request, resolve
from edgediff.planning.knobs import Values, Work, call_options, settings_to_measure
from edgediff.planning.proofs import proof_of
from edgediff_runtimes.bundle import Bundle, ProvedReuse
from edgediff_runtimes.bundle.bundle import MODEL_INDEX
from edgediff_runtimes.engines import engine_for, other_engines
from edgediff_runtimes.errors import BundleError, DeviceError, EdgediffError, SettingError
from edgediff_runtimes.placement import ByRole
from edgediff_runtimes.running.schedules import sampler_for
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.settings.resolve import resolve_settings

_Place: TypeAlias = tuple[str, ByRole[str], ByRole[str]]  # engine, device, execution

_SHORT = 3  # steps of what is measured: the first, which every engine computes slower, and two more


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller asks a plan for, beside the budget; None and empty: all that there is, or the bundle's default.

    Attributes:
        bundles: Directories or names of shipped models.
        size: Width and height in pixels.
        steps: Numbers of steps to choose from.
        guidance: Guidance scale.
        engines: Names of engines to choose from.
        devices: Devices to choose from.
        executions: What floats are computed in, to choose from; ``graph``: what the graphs' precision asks for.
        threads: Threads that compute one graph.
    """

    bundles: tuple[str, ...]
    size: tuple[int, int] | None = None
    steps: tuple[int, ...] = ()
    guidance: float | None = None
    engines: tuple[str, ...] = ()
    devices: tuple[ByRole[str], ...] = ("auto",)
    executions: tuple[ByRole[str], ...] = (AS_EXPORTED,)
    threads: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Variant:
    """What one process measures: a bundle in one placement, with the measured knobs at certain values.

    Attributes:
        name: What tells its bundle from the others.
        case: Bundle and placement.
        work: What is to be drawn with the bundle.
        run_steps: Steps that a run makes, by the number that is asked for: some samplers make one more.
        values: Of the measured knobs.
        threads: As asked.
    """

    name: str
    case: Case = field(repr=False)
    work: Work = field(repr=False)
    run_steps: Mapping[int | None, int]
    values: Values
    threads: int | None = None

    @property
    def placement(self) -> Values:
        """What ``edgediff.load`` takes of its placement, as JSON values."""
        return self.case.placement(threads=self.threads)

    @property
    def options(self) -> dict[str, Any]:
        """What a call of the pipeline takes to draw as it is to be measured: in few steps."""
        asked = self.work.settings.steps
        steps = {} if asked is None else {"steps": min(_SHORT, asked)}
        return {**self.case.works[0], **call_options(self.values), **steps}


@final
@dataclass(frozen=True, slots=True)
class Excluded:
    """What cannot be measured, and why."""

    name: str
    reason: str


def variants(asked: Asked) -> tuple[list[Variant], list[Excluded]]:
    """All variants, those first whose measuring tells most, and what was left out.

    Raises:
        EdgediffError: A bundle or an option is refused, or nothing is left.
    """
    if not asked.bundles:
        raise SettingError("bundles", got="none", expected="at least one")
    found: list[list[Variant]] = []
    excluded: list[Excluded] = []
    refusals: list[EdgediffError] = []
    bundles = [_opened(text) for text in asked.bundles]
    for text, bundle, name in zip(asked.bundles, bundles, _names(asked.bundles, bundles), strict=True):
        if len(bundle.manifest.recipe.stages) > 1:
            excluded.append(Excluded(name, "it has several stages, whose times are not worked out yet"))
            continue
        engines = asked.engines or tuple(_engines(bundle))
        for place in itertools.product(engines, asked.devices, asked.executions):
            tried = _tried(name, text, asked, place)
            if isinstance(tried, EdgediffError):
                refusals.append(tried)
                excluded.append(Excluded(f"{name}, {place[0]}", tried.sentence))
            else:
                found.append(tried)
    if not found:
        unfit = SettingError("bundles", got=", ".join(asked.bundles), expected="a bundle of one stage among them")
        raise refusals[-1] if refusals else unfit
    longest = max(map(len, found))
    return [each[index] for index in range(longest) for each in found if index < len(each)], excluded


def _tried(name: str, text: str, asked: Asked, place: _Place) -> list[Variant] | EdgediffError:
    """The variants of a bundle in a place, or why it is refused there; another engine may have what was asked."""
    try:
        return list(_of_place(name, text, asked, place))
    except (DeviceError, SettingError) as error:
        return error


def _of_place(name: str, text: str, asked: Asked, place: _Place) -> Iterator[Variant]:
    engine, device, execution = place
    sizes = () if asked.size is None else (asked.size,)
    steps = tuple(sorted(set(asked.steps), reverse=True))
    request = Request(
        bundles=(text,),
        devices=(device,),
        engines=(engine,),
        executions=(execution,),
        sizes=sizes,
        steps=steps,
        guidance=asked.guidance,
        threads=asked.threads,
    )
    case = resolve(request)[0]
    run_steps: dict[int | None, int] = {}
    settings: list[Settings] = []
    manifest = case.bundle.manifest
    for number, options in zip(steps or (None,), case.works, strict=True):
        one = resolve_settings(manifest.recipe, manifest.defaults, case.prompt, options, image_size=None)
        run_steps[number] = sampler_for(manifest.recipe.first, one, manifest.scheduler).steps
        settings.append(one)
    proofs = {number: _proofs(case.bundle, one) for number, one in zip(run_steps, settings, strict=True)}
    work = Work(case.bundle, settings[0], tuple(run_steps), proofs)
    for values in settings_to_measure(work):
        yield Variant(name, case, work, run_steps, values, asked.threads)


def _proofs(bundle: Bundle, settings: Settings) -> dict[int, ProvedReuse]:
    """The schedules of reuse that a bundle proves for a run, by the network calls that they make."""
    numbers = {len(proof.schedule.made) for proof in bundle.manifest.reuse}
    proofs = {calls: proof_of(bundle.manifest, settings, calls) for calls in numbers}
    return {calls: proof for calls, proof in proofs.items() if proof is not None}


def _opened(text: str) -> Bundle:
    try:
        return open_bundle(text)
    except BundleError as error:
        if not (Path(text) / MODEL_INDEX).is_file() and not text.endswith(".safetensors"):
            raise
        expected = "a bundle: plans are made over what was exported, for that has a measured quality"
        hint = "`edgediff.export(source, bundle)` makes one in each `precision`"
        raise SettingError("bundles", got=text, expected=expected, hint=hint) from error


def _engines(bundle: Bundle) -> Iterator[str]:
    """The installed engines that read all graphs of a bundle, the default first."""
    formats = {component.format for component in bundle.manifest.components.values()}
    readers = []
    for one in formats:
        default = engine_for(one).name
        readers.append([default, *(engine.name for engine in other_engines(one, than=default))])
    return (name for name in readers[0] if all(name in others for others in readers))


def _names(texts: Sequence[str], bundles: Sequence[Bundle]) -> list[str]:
    """The last part of each path, or all of it where two are called the same."""
    short = [bundle.path.name for bundle in bundles]
    return [name if short.count(name) == 1 else text for name, text in zip(short, texts, strict=True)]
