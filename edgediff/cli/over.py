"""``--over steps=4,8,16``: an option of ``edgediff run`` and its values, each parsed as that option parses them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import click

from edgediff.cli.run_options import COMPUTING, FILES, LOADED, SECTIONS, asked

Axes = dict[str | tuple[str, ...], list[tuple[Any, ...]]]
_PROMPT = "prompt"
_ONE_PICTURE = "images"  # which a cell of a grid has
VARIED = tuple(
    option
    for section in SECTIONS
    if section not in (FILES, COMPUTING)
    for option in section.options
    if option.name != _ONE_PICTURE
)
_BY_NAME = {
    name.lstrip("-").replace("-", "_"): option
    for option in VARIED
    if option.name not in LOADED
    for name in (*option.opts, str(option.name))
}


def axes(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> Axes:
    """What is varied, by the names that the API has for it.

    Raises:
        click.BadParameter: There is no such option, or it does not take such a value.
    """
    found: Axes = {}
    for text in texts:
        name, sign, listed = text.partition("=")
        if not sign:
            raise click.BadParameter(f"{text!r} has no values: expected OPTION=VALUE,VALUE,...", ctx, param)
        option = name.strip().lstrip("-").replace("-", "_")
        values = _split(listed)
        names, cells = _parsed(ctx, param, option, values)
        if names in found:
            raise click.BadParameter(f"{name!r} is there twice: expected all of its values in one", ctx, param)
        found[names] = cells
    return found


def _split(listed: str) -> list[str]:
    """Values between commas; one with a comma of its own stands in quotes."""
    return next(csv.reader([listed], skipinitialspace=True)) or [""]


def _parsed(
    ctx: click.Context, param: click.Parameter, name: str, values: list[str]
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    if name == _PROMPT:
        return (_PROMPT,), [(value,) for value in values]
    option = _BY_NAME.get(name)
    if option is None:
        near = ", ".join(get_close_matches(name, [*_BY_NAME, _PROMPT], n=3)) or "prompt, steps, sampler, seed"
        raise click.BadParameter(
            f"{name!r} cannot be varied: expected an option of a picture such as {near}", ctx, param
        )
    cells = []
    names: tuple[str, ...] = ()
    for value in values:
        read = option.process_value(ctx, (value,) if option.multiple else value)
        given: Mapping[str, Any] = asked({str(option.name): read})
        names = tuple(given)
        cells.append(tuple(one[0] if name == "class_label" else one for name, one in given.items()))
    return names, cells
