"""``edgediff.tune``: the fewest network calls that hold a floor, found, measured and written into the manifest."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from edgediff.api import is_shipped, open_bundle
from edgediff.targets import check_target, write_whole
from edgediff_runtimes.bundle import MANIFEST_NAME, Bundle
from edgediff_runtimes.engines import Engine
from edgediff_runtimes.errors import BundleError, SettingError
from edgediff_runtimes.hub import in_cache
from edgediff_runtimes.placement import ByRole, Placement, named_engines
from edgediff_runtimes.quality import OnProgress, Prompts, Runner, Subjects, held_out
from edgediff_runtimes.quality.making import ignore
from edgediff_runtimes.settings import Options
from edgediff_runtimes.settings.checks import at_least_one
from edgediff_runtimes.tuning import Tuning
from edgediff_runtimes.tuning import tune as find
from edgediff_runtimes.tuning.runs import Subject
from edgediff_runtimes.tuning.tuning import Floors, subjects_of, with_proof
from edgediff_runtimes.untrusted.bounds import IMAGES, STEPS


def tune(
    bundle: str | Path,
    *,
    min_psnr: float,
    min_worst: float | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    width: int | None = None,
    height: int | None = None,
    calibrate: Prompts | None = None,
    calibration_pictures: int | None = None,
    evaluate: Prompts | None = None,
    evaluation_pictures: int | None = None,
    trials: int = 100,
    engine: ByRole[Engine | str | None] = None,
    device: ByRole[str] = "auto",
    on_progress: OnProgress = ignore,
) -> Tuning:
    """Find how few network calls are enough for these settings, and write that into the bundle's manifest.

    Calls that are left out are extrapolated from others (``reuse``, see ``docs/reuse.md``). A schedule is searched on
    some pictures and measured on others, against the run that makes all calls. ``reuse="auto"`` then takes it for runs
    with the same settings, and ``verify`` measures it again. The manifest is replaced at once, at the end: the schedule
    takes the place of what was found before for the same settings. Without one that holds the floors it stays as it is.

    Args:
        bundle: A directory of your own: shipped models and what the hub's cache keeps are to be copied first.
        min_psnr: The least mean PSNR of the measured pictures against those of the run that makes all calls, in dB.
        min_worst: The least mean PSNR of the worst tenth of them; default: ``min_psnr``.
        steps: As in a run; default: the bundle's.
        guidance: Likewise.
        sampler: Likewise.
        width: Likewise.
        height: Likewise.
        calibrate: Prompts, or a text file with one a line, that the search draws; default: ours.
        calibration_pictures: How many pictures it draws with them; default: one per prompt of yours, 12 of ours.
        evaluate: Prompts, or a text file, that are measured; none of the others. Default: ours.
        evaluation_pictures: How many pictures are drawn with them, at least 10; default: one per prompt, or 10.
        trials: How many schedules the search may try, even ones among them; each draws its pictures, or the first
            few.
        engine: An engine or its name, for all components or by component; None: the default of the format.
        device: A device, likewise.
        on_progress: Told ``(what, done, in all)``; an exception that it raises ends the work, and nothing is written.

    Returns:
        The schedule, and what was measured.

    Raises:
        SettingError: An option cannot be applied, nothing can be reused, or no schedule holds the floors.
        BundleError: There is no bundle, its manifest was derived, or it is not the caller's own.
        EdgediffError: A picture cannot be drawn, or the manifest not written.
    """
    floors, budget = Floors.of(min_psnr, min_worst), at_least_one("trials", trials, STEPS)
    opened = _tunable(bundle)
    searched, measured = _drawn(opened, calibrate, calibration_pictures, evaluate, evaluation_pictures)
    options: Options = {"steps": steps, "guidance": guidance, "sampler": sampler, "width": width, "height": height}
    runner = Runner(opened, Placement(engine=named_engines(engine), device=device))
    search = partial(find, trials=budget, on_progress=on_progress)
    return _written(opened, search(runner, options, floors, calibration=searched, evaluation=measured))


_PICTURES = 12
FEWEST_MEASURED = 10  # of fewer the worst tenth is no more than one picture's luck


def _tunable(bundle: str | Path) -> Bundle:
    opened = open_bundle(bundle)
    shared = "ships inside the package" if is_shipped(opened) else "lies in the hub's cache"
    if is_shipped(opened) or in_cache(opened.path):
        raise BundleError(
            f"`{opened.path}` {shared}: expected a bundle of your own, into whose manifest a schedule is written",
            hint="copy the directory and tune the copy",
        )
    if opened.derived:
        raise BundleError(
            f"`{opened.path.name}` has no `{MANIFEST_NAME}`: expected one, into which a schedule is written",
            hint="export the model with edgediff",
        )
    check_target("bundle", opened.path / MANIFEST_NAME, suffixes=(".json",), overwrite=True)
    return opened


def _drawn(
    opened: Bundle,
    calibrate: Prompts | None,
    calibration_pictures: int | None,
    evaluate: Prompts | None,
    evaluation_pictures: int | None,
) -> tuple[tuple[Subject, ...], tuple[Subject, ...]]:
    """What is drawn for the search, and what to measure."""
    ours = Subjects.of(opened.manifest.recipe)
    texts = ours.asked(calibrate, setting="calibrate"), ours.asked(evaluate, setting="evaluate")
    calibration, evaluation = texts[0] or ours.calibration, ours.evaluation
    if not ours.empty:
        evaluation = held_out(texts[1] or None, calibration=calibration, ours=ours.evaluation)
    searched = _count("calibration_pictures", calibration_pictures, len(texts[0]) or _PICTURES)
    measured = _count("evaluation_pictures", evaluation_pictures, max(len(evaluation), FEWEST_MEASURED))
    if measured < FEWEST_MEASURED:
        expected = f"at least {FEWEST_MEASURED}, because fewer prove nothing of other pictures"
        raise SettingError("evaluation_pictures", got=measured, expected=expected)
    return subjects_of(calibration, searched, calibration=True), subjects_of(evaluation, measured, calibration=False)


def _count(setting: str, given: int | None, default: int) -> int:
    return at_least_one(setting, default if given is None else given, IMAGES)


def _written(opened: Bundle, tuning: Tuning) -> Tuning:
    """Add a schedule to the manifest as it is by now: another tuning may have ended meanwhile.

    Raises:
        BundleError: The bundle is another one by now.
        EdgediffError: It cannot be written.
    """
    now = Bundle.open(opened.path)
    if replace(now.manifest, reuse=()) != replace(opened.manifest, reuse=()):
        raise BundleError(f"`{opened.path.name}` was replaced while it was tuned: nothing is written")
    manifest = replace(now.manifest, reuse=with_proof(now.manifest, tuning.proof))
    write_whole(opened.path / MANIFEST_NAME, manifest.to_json())
    return tuning
