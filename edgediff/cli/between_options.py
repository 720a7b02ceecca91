"""Options of ``edgediff run`` for pictures between two seeds and between two prompts."""

from __future__ import annotations

import click

from edgediff.cli.command import Section

BETWEEN = Section(
    "Between two pictures",
    (
        click.Option(
            ["--variation-strength"],
            type=float,
            metavar="0-1",
            help="How far to go from the noise of --seed to that of --variation-seed.  [default: 0]",
        ),
        click.Option(
            ["--variation-seed"], type=int, help="Of the first picture; the next has the next.  [default: random]"
        ),
        click.Option(["--to-prompt"], metavar="TEXT", help="Draw what lies between PROMPT and this one."),
        click.Option(["--blend"], type=float, metavar="0-1", help="How far to go to --to-prompt.  [default: 0.5]"),
    ),
)
