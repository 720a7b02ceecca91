"""What is asked of a model that edits the caller's picture."""

from __future__ import annotations

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.recipe import Guidance
from edgediff_runtimes.settings import checks

_LEAST = 1.0  # below it diffusers leaves out all guidance, that of the text too


def picture_guidance(guidance: Guidance, value: float | None, *, guided: bool) -> dict[str, float]:
    """The scale of the caller's picture, by its option; nothing where no scale of the kind is used.

    Args:
        guidance: Of the stage.
        value: What the caller asked for.
        guided: Whether the run is guided at all.

    Raises:
        SettingError: The number is too small, or has no effect.
    """
    name = guidance.picture_scale
    if name is None:
        return {}
    if not guided:
        if value is not None:
            expected = f"nothing, because without guidance above {guidance.above:g} it has no effect"
            raise SettingError(name, got=value, expected=expected, hint=f"raise `{guidance.scale}`")
        return {}
    scale = checks.number(name, guidance.picture_default if value is None else value)
    if scale < _LEAST:
        expected = f"a number of at least {_LEAST:g}, where the picture is followed as the model learnt it"
        raise SettingError(name, got=value, expected=expected, hint=f"raise `{guidance.scale}` to change it more")
    return {name: scale}
