"""``edgediff cache``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgediff.cli.command import Command

if TYPE_CHECKING:
    from edgediff_runtimes.compiled_cache import CompiledCache, Entry


@click.command(
    "cache",
    cls=Command,
    examples=("edgediff cache", "edgediff cache --clear", "EDGEDIFF_CACHE_LIMIT=2GB edgediff cache"),
)
@click.option("--clear", is_flag=True, help="Delete all compiled graphs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, clear: bool, as_json: bool) -> None:
    """Show or clear the graphs that engines compiled, which make the next start quicker.

    EDGEDIFF_CACHE names another folder, EDGEDIFF_CACHE_LIMIT another limit such as 2GB; 0 keeps nothing.
    """
    from edgediff_runtimes.compiled_cache import CompiledCache

    cache = CompiledCache.of_user()
    cleared = cache.clear() if clear else None
    if as_json:
        click.echo(json.dumps(_report(cache, cleared), indent=2))
    else:
        _print(cache, cleared)


def _report(cache: CompiledCache, cleared: tuple[Entry, ...] | None) -> dict[str, Any]:
    entries = cache.entries()
    report: dict[str, Any] = {
        "path": None if cache.path is None else str(cache.path),
        "limit_bytes": cache.limit,
        "bytes": sum(entry.bytes for entry in entries),
        "entries": [{"name": entry.name, "bytes": entry.bytes, "used": entry.used, **entry.about} for entry in entries],
    }
    if cleared is not None:
        report["cleared"] = {"entries": len(cleared), "bytes": sum(entry.bytes for entry in cleared)}
    return report


def _print(cache: CompiledCache, cleared: tuple[Entry, ...] | None) -> None:
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
    if cleared is not None:
        freed = sum(entry.bytes for entry in cleared)
        click.echo(f"deleted {len(cleared)} graphs, {readable_bytes(freed)}", err=True)
