"""What a picture of ours says of itself, on stdout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

_LONGEST_FACT = 2000  # characters


def print_picture(path: Path, *, as_json: bool) -> None:
    """Print the settings that a PNG, JPEG or WebP carries.

    Raises:
        ImageError: It is no picture, or carries none.
    """
    from edgediff_runtimes.picture_files import read_metadata

    metadata = read_metadata(path)
    if as_json:
        click.echo(json.dumps(metadata, indent=2))
        return
    if isinstance(metadata.get("grid"), dict):
        _print_grid(path, metadata)
        return
    settings = metadata.get("settings")
    facts: dict[str, Any] = dict(settings) if isinstance(settings, dict) else {}
    facts |= {**_drawn_with(metadata), "computed": _computed(metadata.get("computed"))}
    click.echo(f"{path.name}: drawn by edgediff; `edgediff run --repeat {path.name} -m BUNDLE` draws it again")
    _print_facts(facts)


def _print_grid(path: Path, metadata: dict[str, Any]) -> None:
    grid = metadata["grid"]
    click.echo(f"{path.name}: a sheet drawn by `edgediff grid`; --json has the settings of every picture")
    _print_facts({"columns": grid.get("columns"), "rows": grid.get("rows"), **_drawn_with(metadata)})


def _print_facts(facts: dict[str, Any]) -> None:
    from edgediff_runtimes.errors import shown

    for name, value in facts.items():
        if value not in (None, [], {}, ""):
            click.echo(f"{name.replace('_', ' ') + ':':18} {shown(_text(value), most=_LONGEST_FACT)}")


def _drawn_with(metadata: dict[str, Any]) -> dict[str, Any]:
    bundle = " ".join(str(metadata[name]) for name in ("bundle", "fingerprint") if name in metadata)
    return {"bundle": bundle, **{name: metadata.get(name) for name in ("loras", "embeddings", "enlarger")}}


def _computed(recorded: object) -> object:
    """Who computed each component; --json has more of it."""
    if not isinstance(recorded, dict) or not all(isinstance(one, dict) for one in recorded.values()):
        return recorded
    return [
        f"{role} {one.get('engine')} {one.get('execution')}, calls: {one.get('calls')}"
        + (f", in f32 again: {one['rescued']}" if one.get("rescued") else "")
        for role, one in recorded.items()
    ]


def _text(value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "; ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
