"""What is drawn to calibrate an export and to measure it: prompts, pictures, steps, size, floors.

Everything is checked before anything is computed, and what would have no effect is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import final

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.plain import as_finite, as_whole
from edgediff_runtimes.quality import Prompts, Subjects, call_of, check_floors, held_out
from edgediff_runtimes.quality.pictures import with_pictures
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.settings import Options, checks
from edgediff_runtimes.settings.resolve import resolve_settings
from edgediff_runtimes.untrusted.bounds import IMAGES, PIXELS, SIDE, STEPS, Bound

# A search of `mixed`.
_SEARCH_MINUTES = 10.0
# Of our own list. Twice as many changed the error of two U-Nets by 0.3 dB or less.
_CALIBRATION_PICTURES = 12


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOptions:
    """What a user asks for; None takes the default.

    Attributes:
        calibrate: Prompts to calibrate with; default: a general list of ours.
        calibration_pictures: How many pictures are drawn with them; default: one per prompt of the user's, 12 of ours.
        evaluate: Prompts to measure with; default: another general list of ours, of 12.
        evaluation_pictures: How many pictures are drawn with them; default: one per prompt. 0 measures nothing.
        trial_steps: Sampling steps of all these pictures; default: the bundle's.
        trial_size: Width and height of all these pictures; default: the bundle's.
        min_psnr: The least mean PSNR against fp32, in dB.
        min_ssim: The least mean SSIM against fp32.
        search_minutes: How long `mixed` may search; default: 10.
    """

    calibrate: Prompts | None = None
    calibration_pictures: int | None = None
    evaluate: Prompts | None = None
    evaluation_pictures: int | None = None
    trial_steps: int | None = None
    trial_size: tuple[int, int] | None = None
    min_psnr: float | None = None
    min_ssim: float | None = None
    search_minutes: float | None = None

    def words(self) -> list[str]:
        """What the command line says of them, without paths."""
        values = {
            "--calibrate": None if self.calibrate is None else _name(self.calibrate),
            "--calibration-pictures": self.calibration_pictures,
            "--evaluate": None if self.evaluate is None else _name(self.evaluate),
            "--evaluation-pictures": self.evaluation_pictures,
            "--trial-steps": self.trial_steps,
            "--trial-size": None if self.trial_size is None else "x".join(map(str, self.trial_size)),
            "--min-psnr": self.min_psnr,
            "--min-ssim": self.min_ssim,
            "--search-minutes": self.search_minutes,
        }
        return [word for name, value in values.items() if value is not None for word in (name, f"{value}")]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """What is drawn; see ``plan_trials``.

    Attributes:
        calibration: Prompts to calibrate with, drawn in turns.
        calibration_pictures: Pictures to calibrate with; 0 where nothing is calibrated.
        evaluation: Prompts to measure with, one per picture; empty where nothing is measured.
        steps: Sampling steps of all pictures; None takes the bundle's.
        width: Pixels; None takes the bundle's.
        height: Pixels; None takes the bundle's.
        min_psnr: See ``TrialOptions``.
        min_ssim: See ``TrialOptions``.
        search_seconds: How long a search may take.
    """

    calibration: tuple[str, ...] = ()
    calibration_pictures: int = 0
    evaluation: tuple[str, ...] = ()
    steps: int | None = None
    width: int | None = None
    height: int | None = None
    min_psnr: float | None = None
    min_ssim: float | None = None
    search_seconds: float = 0.0


def plan_trials(
    options: TrialOptions,
    *,
    calibrated: bool,
    measured: bool,
    searched: bool = False,
    ours: Subjects = Subjects(),  # noqa: B008 - frozen
) -> Trials:
    """Check what a user asks for and fill in the defaults.

    Args:
        options: What was asked for.
        calibrated: Whether a component of the export is calibrated.
        measured: Whether the export is anything else than fp32 in ONNX, which all others are measured against.
        searched: Whether a component is ``mixed``.
        ours: What is drawn where a user says nothing.

    Raises:
        SettingError: A value means nothing, a file of prompts is empty or cannot be read, a prompt is in both, or an
            option would have no effect.
    """
    check_floors(min_psnr=options.min_psnr, min_ssim=options.min_ssim)
    if not calibrated:
        _refuse(
            options,
            ("calibrate", "calibration_pictures"),
            "no component is calibrated",
            '`precision="int8"` is calibrated',
        )
    if not measured:
        names = ("evaluate", "evaluation_pictures", "trial_steps", "trial_size", "min_psnr", "min_ssim")
        _refuse(options, names, "an ONNX bundle in fp32 is what others are measured against", None)
    minutes = _minutes(options, searched=searched)
    calibration = ours.asked(options.calibrate, setting="calibrate") or (ours.calibration if calibrated else ())
    pictures = options.calibration_pictures
    if pictures is None and calibration:
        pictures = min(len(calibration), _CALIBRATION_PICTURES) if options.calibrate is None else len(calibration)
    pictures = _count("calibration_pictures", pictures, IMAGES, least=1) or 0
    steps = _count("trial_steps", options.trial_steps, STEPS, least=1)
    width, height = _size(options.trial_size)
    if options.evaluation_pictures == 0:
        _refuse(
            options, ("evaluate", "min_psnr", "min_ssim"), "`evaluation_pictures` is 0, which measures nothing", None
        )
        if not calibrated:
            _refuse(options, ("trial_steps", "trial_size"), "nothing is drawn", None)
    return Trials(
        calibration=calibration,
        calibration_pictures=pictures,
        evaluation=_evaluation(options, calibration, ours) if measured else (),
        steps=steps,
        width=width,
        height=height,
        min_psnr=options.min_psnr,
        min_ssim=options.min_ssim,
        search_seconds=60 * minutes,
    )


def check_trials(trials: Trials, recipe: Recipe, defaults: Defaults) -> None:
    """Refuse what the model cannot draw, before it is exported: all that a run of its bundle would refuse.

    Args:
        trials: What is drawn.
        recipe: Of the bundle.
        defaults: Of the bundle, where ``trials`` says nothing.

    Raises:
        SettingError: The model does not draw that size, or pictures in that number do not fit into memory.
    """
    drawn = trials.evaluation or trials.calibration[: trials.calibration_pictures]
    if not drawn:
        return
    prompt, options = call_of(recipe, drawn[0])
    steps, width, height = trials.steps, trials.width, trials.height
    try:
        call: Options = {**options, "steps": steps, "width": width, "height": height}
        shown = with_pictures(recipe, defaults, call)
        drawn_from = None if shown is call else (width or defaults.width or 1, height or defaults.height or 1)
        settings = resolve_settings(recipe, defaults, prompt, shown, image_size=drawn_from)
    except SettingError as error:
        if error.setting not in ("width", "height", "images") or (width is None and height is None):
            raise
        expected = f"a size that the model draws ({error.sentence})"
        raise SettingError("trial_size", got=f"{width}x{height}", expected=expected, hint=error.hint) from error
    try:
        checks.memory(len(trials.evaluation), settings.width, settings.height)  # the record holds all of them
    except SettingError as error:
        raise SettingError(
            "evaluation_pictures",
            got=f"{len(trials.evaluation):,} of {settings.width}x{settings.height}",
            expected=f"at most {PIXELS.most:,} pixels, because {PIXELS.reason}",
            hint=error.hint,
        ) from error


def _evaluation(options: TrialOptions, calibration: Sequence[str], ours: Subjects) -> tuple[str, ...]:
    prompts = ours.evaluation
    if options.calibrate is not None or options.evaluate is not None:
        given = ours.asked(options.evaluate, setting="evaluate") or None
        prompts = held_out(given, calibration=calibration, ours=ours.evaluation)
    asked = len(prompts) if options.evaluation_pictures is None else options.evaluation_pictures
    pictures = _count("evaluation_pictures", asked, IMAGES, least=0)
    return tuple(islice(cycle(prompts), pictures))


def _refuse(options: TrialOptions, names: Collection[str], reason: str, hint: str | None) -> None:
    for name in names:
        value = getattr(options, name)
        if value is not None:
            shown = str(value) if isinstance(value, Path) else value
            raise SettingError(name, got=shown, expected=f"nothing, because {reason}", hint=hint)


def _count(name: str, value: int | None, bound: Bound, *, least: int) -> int | None:
    number = None if value is None else as_whole(value)
    if value is not None and (number is None or number < least):
        raise SettingError(name, got=value, expected=f"a whole number of at least {least}")
    if number is not None and number > bound.most:
        raise SettingError(name, got=value, expected=bound.expected)
    return number


def _size(value: object) -> tuple[int | None, int | None]:
    """Width and height; none where nothing was asked for."""
    if value is None:
        return None, None
    sides = [as_whole(side) for side in value] if isinstance(value, tuple | list) else []
    match sides:
        case [int(width), int(height)] if min(width, height) >= 1:
            pass
        case _:
            raise SettingError("trial_size", got=value, expected="two whole numbers of at least 1: width and height")
    if max(width, height) > SIDE.most:
        raise SettingError("trial_size", got=value, expected=f"sides of at most {SIDE.most:,}, because {SIDE.reason}")
    return width, height


def _minutes(options: TrialOptions, *, searched: bool) -> float:
    if not searched:
        _refuse(options, ("search_minutes",), "no component is `mixed`", '`precision="mixed"` searches')
        return 0.0
    if options.evaluation_pictures == 0:
        raise SettingError(
            "evaluation_pictures",
            got=0,
            expected="at least 1, because a component is `mixed`",
            hint="`int8` needs none",
        )
    minutes = _SEARCH_MINUTES if options.search_minutes is None else as_finite(options.search_minutes)
    if minutes is None or minutes <= 0:
        raise SettingError("search_minutes", got=options.search_minutes, expected="a number above 0")
    return minutes


def _name(prompts: Prompts) -> str:
    return Path(prompts).name if isinstance(prompts, str | Path) else f"({len(prompts)} prompts)"
