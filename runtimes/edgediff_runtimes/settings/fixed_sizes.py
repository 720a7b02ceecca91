"""Sizes of a bundle whose graphs are for some sizes alone."""

from __future__ import annotations

from collections.abc import Iterable

from edgediff_runtimes.bundle import Manifest
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.settings.options import Settings


def check_sizes(manifest: Manifest, drawings: Iterable[Settings]) -> None:
    """Refuse what no graph of the bundle is for.

    Args:
        manifest: The bundle's.
        drawings: The settings of each drawing of a run.

    Raises:
        SettingError: A drawing is of another size, or looks at it in tiles.
    """
    if not manifest.sizes:
        return
    known = ", ".join(f"{width}x{height}" for width, height in manifest.sizes)
    where = f"for which this bundle was exported ({manifest.target or 'fixed sizes'})"
    for each in drawings:
        if each.tile is not None:
            raise SettingError("tile", got=each.tile, expected=f"nothing, because its graphs take {known} whole")
        if (each.width, each.height) not in manifest.sizes:
            hint = "`width` and `height` say it, whatever size the picture has" if each.pictures else None
            raise SettingError(
                "size", got=f"{each.width}x{each.height}", expected=f"one of {known}, {where}", hint=hint
            )
