"""Measuring a bundle against the reference record that it carries: components on the record's probes, and pictures."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgediff_runtimes.bundle import (
    ComponentQuality,
    Fidelity,
    FileEntry,
    LevelQuality,
    PictureQuality,
    QualityReport,
    Spread,
)
from edgediff_runtimes.components import Computed, Loaded
from edgediff_runtimes.errors import BundleError
from edgediff_runtimes.quality.making import OnProgress, ignore, pixels_of
from edgediff_runtimes.quality.measures import energies, energies_db, psnr_db, ssim
from edgediff_runtimes.quality.pictures import with_pictures
from edgediff_runtimes.quality.prompts import call_of
from edgediff_runtimes.quality.reference import Probe, Reference
from edgediff_runtimes.quality.running import Runner
from edgediff_runtimes.results import Result
from edgediff_runtimes.settings import Options
from edgediff_runtimes.tensors import Array
from edgediff_runtimes.text import PromptTruncationWarning

# Digits after the point: more than a figure means, few enough to read.
_DB_DIGITS, _SSIM_DIGITS = 3, 5


def measure(
    candidate: Runner,
    reference: Reference,
    *,
    record: FileEntry,
    computed: dict[str, Computed] | None = None,
    on_progress: OnProgress = ignore,
) -> QualityReport:
    """Measure how far a bundle is from what fp32 drew and computed; what each component costs alone is left open.

    Args:
        candidate: The bundle.
        reference: What fp32 drew and computed.
        record: The file that ``reference`` is in.
        computed: Is told how each component of the record was computed.
        on_progress: Told ``(what, done, in all)``.

    Raises:
        BundleError: The bundle lacks a component that the record has, or gives an output of another shape.
        NonFiniteError: A component returned NaN or infinity.
        EngineError: A component cannot be loaded or computed.
    """
    components = measure_components(candidate, reference, computed=computed, on_progress=on_progress)
    results = list(_results(candidate, reference, replaced=None, on_progress=on_progress))
    pictures = _compared(reference, [pixels_of(result) for result in results])
    network = candidate.bundle.manifest.recipe.network.role
    engine = candidate.engine_of(network)
    return QualityReport(
        reference=record,
        steps=reference.steps,
        guidance=reference.guidance,
        width=reference.width,
        height=reference.height,
        engine=engine.name,
        engine_version=engine.version,
        device=candidate.device_of(network),
        psnr_db=_spread([picture.psnr_db for picture in pictures], digits=_DB_DIGITS),
        ssim=_spread([picture.ssim for picture in pictures], digits=_SSIM_DIGITS),
        pictures=pictures,
        components={role: _with_rescues(part, role, results) for role, part in components.items()},
        threads=results[0].computed[network].threads,
    )


def measure_components(
    candidate: Runner,
    reference: Reference,
    *,
    roles: Collection[str] | None = None,
    computed: dict[str, Computed] | None = None,
    on_progress: OnProgress = ignore,
) -> dict[str, ComponentQuality]:
    """The error of each component on the inputs that it has along the fp32 trajectories; no picture is drawn.

    Args:
        candidate: The bundle.
        reference: Has the inputs and what fp32 gives for them.
        roles: The components to measure; None takes all that the record has.
        computed: Is told how each of them was computed.
        on_progress: Told ``(what, probes done, probes in all)``.

    Raises:
        As ``measure``.
    """
    by_role: dict[str, list[Probe]] = defaultdict(list)
    for probe in reference.probes:
        if roles is None or probe.role in roles:
            by_role[probe.role].append(probe)
    done, total = 0, sum(map(len, by_role.values()))
    measured = {}
    for role, probes in by_role.items():
        with candidate.use(role) as (component, how):
            sums: dict[float | None, Array] = {}
            for probe in probes:
                on_progress("components", done, total)
                sums[probe.timestep] = sums.get(probe.timestep, np.zeros(2)) + _energies(component, probe)
                done += 1
        levels = sorted((level for level in sums if level is not None), reverse=True)
        measured[role] = ComponentQuality(
            execution=how.execution,
            rescued=how.rescued,
            snr_db=_decibel(sum(sums.values(), np.zeros(2))),
            levels=tuple(LevelQuality(level, _decibel(sums[level])) for level in levels),
        )
        if computed is not None:
            computed[role] = how
    on_progress("components", total, total)
    return measured


def measure_pictures(
    candidate: Runner,
    reference: Reference,
    *,
    replaced: Mapping[str, Runner] | None = None,
    on_progress: OnProgress = ignore,
) -> tuple[PictureQuality, ...]:
    """How near each picture is to the record's, drawn with its prompt, seed, steps, guidance and size.

    Args:
        candidate: The bundle.
        reference: Has the pictures.
        replaced: Components that another bundle gives, see ``Runner.pipeline``.
        on_progress: Told ``(what, pictures done, pictures in all)``.

    Raises:
        As ``measure``.
    """
    drawn = draw(candidate, reference, replaced=replaced, on_progress=on_progress)
    return _compared(reference, list(drawn))


def draw(
    candidate: Runner,
    reference: Reference,
    *,
    replaced: Mapping[str, Runner] | None = None,
    on_progress: OnProgress = ignore,
) -> Iterator[Array]:
    """The record's pictures as a bundle draws them, one by one: uint8, ``(height, width, 3)``.

    Arguments and errors are those of ``measure_pictures``.
    """
    return map(pixels_of, _results(candidate, reference, replaced=replaced, on_progress=on_progress))


def fidelity(pictures: Sequence[PictureQuality]) -> Fidelity:
    """The means over pictures."""
    return Fidelity(
        _spread([picture.psnr_db for picture in pictures], digits=_DB_DIGITS).mean,
        _spread([picture.ssim for picture in pictures], digits=_SSIM_DIGITS).mean,
    )


def _results(
    candidate: Runner, reference: Reference, *, replaced: Mapping[str, Runner] | None, on_progress: OnProgress
) -> Iterator[Result]:
    total, recipe = len(reference.prompts), candidate.bundle.manifest.recipe
    guidance = reference.guidance if "guidance" in recipe.options else None
    with candidate.pipeline(replaced=replaced) as pipeline:
        for index, (subject, seed) in enumerate(zip(reference.prompts, reference.seeds, strict=True)):
            prompt, options = call_of(recipe, subject)
            on_progress("pictures", index, total)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PromptTruncationWarning)  # said when the record was made
                asked: Options = {**options, "seed": seed, "steps": reference.steps, "guidance": guidance}
                asked["width"], asked["height"] = reference.width, reference.height
                result = pipeline(prompt, **with_pictures(recipe, candidate.bundle.manifest.defaults, asked))
            yield result
    on_progress("pictures", total, total)


def _compared(reference: Reference, drawn: Sequence[Array]) -> tuple[PictureQuality, ...]:
    figures = [
        (round(psnr_db(expected, got), _DB_DIGITS), round(ssim(expected, got), _SSIM_DIGITS))
        for expected, got in zip(reference.pictures, drawn, strict=True)
    ]
    return tuple(
        PictureQuality(prompt, seed, *pair)
        for prompt, seed, pair in zip(reference.prompts, reference.seeds, figures, strict=True)
    )


def _with_rescues(part: ComponentQuality, role: str, results: Sequence[Result]) -> ComponentQuality:
    """With the rescues that the pictures took, beside those of the probes."""
    return replace(
        part, rescued=part.rescued + sum(one.computed[role].rescued for one in results if role in one.computed)
    )


def _energies(component: Loaded, probe: Probe) -> Array:
    """Signal and noise of one probe."""
    got = component.run(probe.feeds, [probe.output])[probe.output]
    if got.shape != probe.expected.shape:
        raise BundleError(
            f"the component `{probe.role}` gives `{probe.output}` of shape {got.shape} "
            f"where the bundle's record of quality has {probe.expected.shape}"
        )
    return np.array(energies(probe.expected, got))


def _decibel(sums: Array) -> float:
    signal, noise = sums
    return round(energies_db(float(signal), float(noise)), _DB_DIGITS)


def _spread(values: Sequence[float], *, digits: int) -> Spread:
    return Spread(mean=round(float(np.mean(values)), digits), worst=min(values))
