"""Which task of a recipe a caller's pictures ask for."""

from __future__ import annotations

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.masks import ALPHA
from edgediff_runtimes.recipe import Recipe, Stage
from edgediff_runtimes.recipe.declarations import Mask, Picture
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.wires import PICTURES, SEVERAL
from edgediff_runtimes.settings.options import Options

_NO_TASK = {
    "denoise": (
        "has no task that takes a noisy picture",
        "models that work on pixels have one, such as DDPM; what an encoder makes of noise is no noise of latents",
    )
}


def pictures_asked(options: Options) -> set[str]:
    """The options that hold pictures, of those that were given; a picture that is made larger has a mask."""
    given = {name for name in PICTURES if options.get(name) is not None}
    return given | ({"mask"} if options.get("extend") is not None else set())


def pictures_given(options: Options, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the options of a task that hold pictures of their own."""
    return tuple(name for name in names if options.get(name) not in (None, ALPHA))


def task_of(recipe: Recipe, options: Options) -> tuple[str, tuple[str, ...]]:
    """The task that a caller's pictures ask for, and the options that hold them.

    Of two tasks for the same pictures, one goes on from the picture and one begins with noise alone: that is the one
    for a strength of 1.

    Raises:
        SettingError: The recipe has no task for these pictures.
    """
    given = pictures_asked(options)
    wanted = {task: _names(parts) for task, parts in recipe.first.tasks.items()}
    fitting = [task for task, names in wanted.items() if {*names} == given]
    if not fitting:
        raise _refusal(wanted, given, options)
    names = wanted[fitting[0]]
    if len(fitting) > 1:
        strength = options.get("strength")
        usual = default_strength(recipe.first, names, options) if options.get("noise_level") is None else None
        from_noise = (usual if strength is None else strength) == 1
        fitting.sort(key=lambda task: from_noise == _goes_on(recipe.first.tasks[task]))
    return fitting[0], names


def default_strength(stage: Stage, names: tuple[str, ...], options: Options) -> float:
    """The strength where the caller says none; of what a picture is extended by there is nothing to go on from."""
    if "mask" not in names:
        return stage.schedule.default_strength
    return stage.schedule.inpaint_strength if options.get("extend") is None else 1.0


def _names(parts: tuple[Part, ...]) -> tuple[str, ...]:
    return tuple(part.choice for part in parts if isinstance(part, Picture | Mask))


def _goes_on(parts: tuple[Part, ...]) -> bool:
    return any("start" in part.writes for part in parts)


def _refusal(wanted: dict[str, tuple[str, ...]], given: set[str], options: Options) -> SettingError:
    """What to say to pictures that no task is for."""
    known = {name for names in wanted.values() for name in names}
    asked = "mask" if options.get("mask") is not None else "extend"
    if "mask" in given - known:
        return SettingError(
            asked, got=options.get(asked), expected="nothing, because the bundle does not draw into pictures"
        )
    if SEVERAL[1] in given:
        got = f"{len(given & {*SEVERAL})} pictures"
        most = max(len({*names} & {*SEVERAL}) for names in wanted.values())
        return SettingError(SEVERAL[0], got=got, expected=f"at most {most}, because the bundle draws from no more")
    if given - known:
        name = min(given - known)
        why, hint = _NO_TASK.get(name, ("draws from none", None))
        return SettingError(name, got=options.get(name), expected=f"nothing, because the bundle {why}", hint=hint)
    if "mask" in given:
        return SettingError("image", got=None, expected=f"a picture, because there is `{asked}`")
    missing = next(name for name in next(iter(wanted.values())) if name not in given)
    if missing == "mask":
        hint = "`mask` is white where to draw, `extend` makes a picture larger"
        return SettingError("mask", got=None, expected="a mask, because the bundle draws into pictures", hint=hint)
    return SettingError(missing, got=None, expected="a picture, because the bundle draws from one")
