"""The options that say how prompts are read."""

from __future__ import annotations

import click

from edgediff.cli import completion
from edgediff.cli.command import Section

READING = Section(
    "How prompts are read",
    (
        click.Option(
            ["--syntax"],
            metavar="NAME",
            shell_complete=completion.one_of("a1111", "compel"),
            help="a1111 or compel: weights such as (red:1.3) or red++, and prompts of any length.  [default: brackets "
            "are text]",
        ),
        click.Option(
            ["--clip-skip"],
            type=int,
            metavar="N",
            help="Take CLIP's Nth layer from the last, 1.  [default: the model's own]",
        ),
    ),
)
