"""Checks of what goes with a mask: how its edge is blended, what is cut out, and how a picture is made larger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.masks import ALPHA
from edgediff_runtimes.plain import as_finite, as_whole
from edgediff_runtimes.settings.options import Keep, Options
from edgediff_runtimes.untrusted.bounds import SIDE

SIDES = ("left", "top", "right", "bottom")
# Options that say something about a mask, and nothing without one.
_ABOUT = ("mask_blur", "keep", "crop_mask")


def inpainting(options: Options, *, masked: bool) -> dict[str, Any]:
    """The fields of ``Settings`` that are about a mask.

    Args:
        options: What the caller asked for.
        masked: Whether the run has a mask, or makes a picture larger.

    Raises:
        SettingError: An option has no such value, or has no effect.
    """
    if not masked:
        for name in _ABOUT:
            if options.get(name) is not None:
                expected = "nothing, because there is no mask"
                raise SettingError(name, got=options.get(name), expected=expected, hint="`mask` says what to draw anew")
        return {}
    larger, padding = extend(options.get("extend")), _crop_mask(options.get("crop_mask"))
    keep = _keep(options.get("keep"), pasted=padding is not None, larger=bool(larger))
    blur = _mask_blur(options.get("mask_blur"), exact=keep == "exact")
    return {
        "mask": ALPHA if isinstance(options.get("mask"), str) and options.get("mask") == ALPHA else None,
        "mask_blur": blur,
        "keep": keep,
        "crop_mask": padding,
        "extend": larger or None,
    }


def extend(value: Mapping[str, int] | None) -> dict[str, int]:
    """Pixels by side, without sides of none; empty where nothing is asked for."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(side, str) for side in value):
        raise SettingError("extend", got=value, expected="pixels by side, such as {'left': 256}")
    expected = f"whole pixels from 0 to {SIDE.most:,} by side ({', '.join(SIDES)}), above 0 for at least one"
    pixels = {side: as_whole(value[side]) for side in value}
    fits = all(count is not None and 0 <= count <= SIDE.most for count in pixels.values())
    if not fits or not pixels.keys() <= {*SIDES} or not any(pixels.values()):
        raise SettingError("extend", got=dict(value), expected=expected)
    return {side: count for side in SIDES if (count := pixels.get(side))}


def _crop_mask(value: int | None) -> int | None:
    """Pixels around the mask."""
    padding = None if value is None else as_whole(value)
    if value is not None and (padding is None or not 0 <= padding <= SIDE.most):
        raise SettingError("crop_mask", got=value, expected=f"a whole number of pixels from 0 to {SIDE.most:,}")
    return padding


def _keep(value: Keep | None, *, pasted: bool, larger: bool) -> Keep:
    """What becomes of known pixels; a part that is pasted into its picture leaves them as they are."""
    if value not in (None, "exact", "model"):
        raise SettingError("keep", got=value, expected="`exact` or `model`")
    if value == "model" and pasted:
        expected = "`exact`, because what is drawn around a cropped mask is pasted into the picture"
        raise SettingError("keep", got=value, expected=expected)
    return value or ("exact" if pasted or larger else "model")


def _mask_blur(value: float | None, *, exact: bool) -> float | None:
    """Pixels."""
    if value is None:
        return None
    blur = as_finite(value)
    if blur is None or not 0 <= blur <= SIDE.most:
        raise SettingError("mask_blur", got=value, expected=f"a number of pixels from 0 to {SIDE.most:,}")
    if blur and not exact:
        raise SettingError(
            "mask_blur",
            got=value,
            expected="nothing, because no known pixels are kept that could be blended along the mask's edge",
            hint="`keep='exact'` keeps them",
        )
    return blur
