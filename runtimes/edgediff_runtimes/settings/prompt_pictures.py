"""Pictures beside the prompt, and how much they weigh: checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.plain import as_finite
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import PromptPictures
from edgediff_runtimes.recipe.declarations.control import PROMPT_PICTURES

PICTURE, _SCALE = PROMPT_PICTURES
_MOST = 64  # each is tokens that every call of the network looks at


def prompt_pictures(recipe: Recipe, options: Mapping[str, Any]) -> dict[str, Any]:
    """The pictures that a caller gives, not read yet, by the names that a run knows them by.

    Raises:
        SettingError: There are none in a list, or too many.
    """
    given = options.get(PICTURE)
    if given is None or not any(isinstance(part, PromptPictures) for part in recipe.first.given):
        return {}
    pictures = list(given) if isinstance(given, list | tuple) else [given]
    if not 0 < len(pictures) <= _MOST:
        raise SettingError(PICTURE, got=f"{len(pictures)} pictures", expected=f"1 to {_MOST}")
    return {f"{PICTURE}.{index}": picture for index, picture in enumerate(pictures)}


def prompt_choices(recipe: Recipe, options: Mapping[str, Any]) -> dict[str, float]:
    """How much they weigh; empty without pictures.

    Raises:
        SettingError: It is no number, or there are no pictures.
    """
    scale = options.get(_SCALE)
    if not prompt_pictures(recipe, options):
        if scale is not None:
            raise SettingError(_SCALE, got=scale, expected=f"nothing, because there is no `{PICTURE}`")
        return {}
    found = as_finite(1.0 if scale is None else scale)
    if found is None:
        raise SettingError(_SCALE, got=scale, expected="a finite number")
    return {_SCALE: found}
