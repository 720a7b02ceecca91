"""``edgediff cache``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from edgediff.cli.command import Command

if TYPE_CHECKING:
    from edgediff.browser.library import KeptLibraries
    from edgediff.planning.kept import KeptFigures
    from edgediff_runtimes.compiled_cache import CompiledCache, Entry

# Graphs; files of plans and libraries of web folders with their bytes.
_Cleared: TypeAlias = "tuple[tuple[Entry, ...], dict[str, int], dict[str, int]]"


@click.command(
    "cache",
    cls=Command,
    examples=("edgediff cache", "edgediff cache --clear", "EDGEDIFF_CACHE_LIMIT=2GB edgediff cache"),
)
@click.option("--clear", is_flag=True, help="Delete all of it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, clear: bool, as_json: bool) -> None:
    """Show or clear what is kept: compiled graphs, which make the next start quicker, plans' figures, web's library.

    EDGEDIFF_CACHE names another folder, EDGEDIFF_CACHE_LIMIT another limit such as 2GB; 0 keeps nothing.
    """
    from edgediff.browser.library import KeptLibraries
    from edgediff.planning.kept import KeptFigures
    from edgediff_runtimes.compiled_cache import CompiledCache

    cache, plans, web = CompiledCache.of_user(), KeptFigures.of_user(), KeptLibraries.of_user()
    cleared = (cache.clear(), plans.clear(), web.clear()) if clear else None
    if as_json:
        click.echo(json.dumps(_report(cache, plans, web, cleared), indent=2))
    else:
        _print(cache, plans, web, cleared)


def _report(cache: CompiledCache, plans: KeptFigures, web: KeptLibraries, cleared: _Cleared | None) -> dict[str, Any]:
    entries = cache.entries()
    report: dict[str, Any] = {
        "path": None if cache.path is None else str(cache.path),
        "limit_bytes": cache.limit,
        "bytes": sum(entry.bytes for entry in entries),
        "entries": [{"name": entry.name, "bytes": entry.bytes, "used": entry.used, **entry.about} for entry in entries],
        "plans": {"path": None if plans.path is None else str(plans.path), **_count(plans.sizes())},
        "web": {"path": None if web.path is None else str(web.path), **_count(web.sizes())},
    }
    if cleared is not None:
        graphs, figures, libraries = cleared
        gone = _count({entry.name: entry.bytes for entry in graphs})
        report["cleared"] = {**gone, "plans": _count(figures), "web": _count(libraries)}
    return report


def _count(sizes: dict[str, int]) -> dict[str, int]:
    return {"entries": len(sizes), "bytes": sum(sizes.values())}


def _print(cache: CompiledCache, plans: KeptFigures, web: KeptLibraries, cleared: _Cleared | None) -> None:
    from edgediff.cli.tables import print_table
    from edgediff_runtimes.plain import readable_bytes

    entries = cache.entries()
    columns = ("graph", "of", "engine", "device", "computes in", "size", "last used")
    rows = [
        (
            str(entry.about.get("role", "?")),
            Path(str(entry.about.get("graph", "?"))).parent.parent.name,
            *(str(entry.about.get(name, "?")) for name in ("engine", "device", "execution")),
            readable_bytes(entry.bytes),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used)),
        )
        for entry in entries
    ]
    if rows:
        print_table("Compiled graphs", columns, rows)
    total = sum(entry.bytes for entry in entries)
    place = "no place for a cache on this system" if cache.path is None else str(cache.path)
    click.echo(f"{place}: {len(entries)} graphs, {readable_bytes(total)} of at most {readable_bytes(cache.limit)}")
    kept = plans.sizes()
    if plans.path is not None:
        click.echo(f"{plans.path}: {_measurements(kept)}")
    if libraries := web.sizes():
        click.echo(f"{web.path}: {', '.join(libraries)}, {readable_bytes(sum(libraries.values()))}")
    if cleared is not None:
        graphs, figures, libraries = cleared
        freed = readable_bytes(sum(entry.bytes for entry in graphs))
        beside = f"; {', '.join(libraries)}" if libraries else ""
        click.echo(f"deleted {len(graphs)} graphs, {freed}, and {_measurements(figures)}{beside}", err=True)


def _measurements(sizes: dict[str, int]) -> str:
    from edgediff_runtimes.plain import readable_bytes

    return f"{len(sizes)} measurements of plans, {readable_bytes(sum(sizes.values()))}"
