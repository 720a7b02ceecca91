"""Options for pictures that steer the network, and for pictures beside the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgediff.cli import completion
from edgediff.cli.command import Section

_NONE = "none"

CONTROL = Section(
    "Pictures to steer with, for bundles with a ControlNet",
    (
        click.Option(
            ["--control-image"],
            multiple=True,
            type=click.Path(),
            metavar="FILE",
            help="A picture that steers; repeat it for each of several components of the bundle, none leaves one out.",
        ),
        click.Option(
            ["--control-scale"],
            multiple=True,
            type=float,
            help="How much it weighs; one for all, or repeated likewise.  [default: 1]",
        ),
        click.Option(
            ["--control-start"],
            multiple=True,
            type=float,
            help="Share of the steps after which it is looked at; likewise.  [default: 0]",
        ),
        click.Option(
            ["--control-end"],
            multiple=True,
            type=float,
            help="Share of the steps after which it is no longer; likewise.  [default: 1]",
        ),
        click.Option(
            ["--control-preprocessor"],
            multiple=True,
            metavar="NAME",
            shell_complete=completion.one_of("canny", _NONE),
            help="canny: steer with the edges in the picture; likewise.  [default: none, with the picture as it is]",
        ),
    ),
)


PROMPT = Section(
    "Pictures beside the prompt, for bundles with an IP-Adapter",
    (
        click.Option(
            ["--prompt-image"],
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="A picture that says beside PROMPT what is to be seen; repeatable.",
        ),
        click.Option(["--prompt-image-scale"], type=float, help="How much they weigh.  [default: 1]"),
    ),
)


def each(given: dict[str, Any]) -> dict[str, Any]:
    """These options as the API takes them: what was given once for all, what was repeated as a list."""
    found = dict(given)
    if "prompt_image" in given:
        found["prompt_image"] = [*given["prompt_image"]]
    for option in CONTROL.options:
        name = str(option.name)
        if name not in given:
            continue
        entries = [None if value == _NONE else value for value in given[name]]
        if name == "control_image":
            entries = [None if entry is None else Path(entry) for entry in entries]
        found[name] = entries[0] if len(entries) == 1 else entries
    return found
