"""Several pictures of the caller's in one option."""

from __future__ import annotations

from typing import cast

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.recipe.wires import SEVERAL
from edgediff_runtimes.settings.options import Options


def told_apart(options: Options) -> Options:
    """The options with each of several pictures under the name that recipes have for it; a list of one is a picture.

    Raises:
        SettingError: There is none in the list, or there are more than there are names for.
    """
    given = options.get("image")
    if not isinstance(given, list | tuple):
        return options
    if not 0 < len(given) <= len(SEVERAL):
        raise SettingError("image", got=f"{len(given)} pictures", expected=f"one picture, or up to {len(SEVERAL)}")
    return cast("Options", {**options, **dict(zip(SEVERAL, given, strict=False))})
