"""``edgediff grid``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import click

from edgediff.cli.command import Command, Section
from edgediff.cli.over import VARIED, Axes, axes
from edgediff.cli.prompts import one_prompt
from edgediff.cli.run_options import COMPUTING, FILES, SECTIONS, asked, placed

_LABEL = 40  # characters beside the bar
_OF_ONE_FILE = ("model", "output", "overwrite", "plan", "as_json")
_VARIED = Section(
    "What is varied",
    (
        click.Option(
            ["--over"],
            multiple=True,
            required=True,
            metavar="OPTION=VALUE,VALUE,...",
            callback=axes,
            help="An option of a picture and its values, the first from left to right, a second downwards. "
            '"prompt=a fox,a frog" varies the prompt, or the words for {} in it; quotes keep a comma in a value.',
        ),
    ),
)
_SECTIONS = (
    _VARIED,
    *(
        Section(section.title, tuple(option for option in section.options if option in VARIED))
        for section in SECTIONS
        if section not in (FILES, COMPUTING)
    ),
    Section(FILES.title, tuple(option for option in FILES.options if option.name in _OF_ONE_FILE)),
    COMPUTING,
)


@click.command(
    "grid",
    cls=Command,
    sections=_SECTIONS,
    examples=(
        'edgediff grid "a red apple" --over steps=2,4,8 --over sampler=lcm,euler -o apples.png',
        'edgediff grid "a {} boat" -m emoji --over prompt=red,blue,green --over guidance=1,3,6',
        'edgediff grid "a fox" --over seed=1,2,3,4 -o - > foxes.png',
        'edgediff grid "a cat" --image photo.jpg --over strength=0.3,0.5,0.7',
    ),
)
@click.argument("prompt", nargs=-1, metavar="[PROMPT]", callback=one_prompt)
def command(
    *,
    prompt: str | None,
    over: Axes,
    model: str,
    output: str | None,
    overwrite: bool,
    plan: Path | None,
    as_json: bool,
    **given: Any,  # noqa: ANN401 - how to draw and where to compute, None where not given
) -> None:
    """Draw PROMPT once for each value of an option, or of two, on one labelled sheet. Its path goes to stdout.

    All pictures have one seed, unless it is what is varied; all are checked before the first is drawn.
    """
    from edgediff import CancelToken
    from edgediff.api import load
    from edgediff.cli.drawing import awaited, chosen
    from edgediff.cli.planned import planned
    from edgediff.cli.progress import progress
    from edgediff.cli.prompts import texts
    from edgediff.cli.writing import drawn, writer
    from edgediff.grids import GridStep, grid

    place, options = placed(given), asked(given)
    [text] = texts(prompt, None)
    if plan is not None:
        model, place, options = planned(plan, model, place, options)
    words = text or ", ".join(value for [value] in over.get(("prompt",), []))
    target = writer(output, [words], {"seed": options.get("seed")}, overwrite=overwrite, grid=True, as_json=as_json)
    cancel = CancelToken()
    with (
        load(model, **{**place, "device": place["device"] or "auto"}) as pipeline,
        ThreadPoolExecutor(1) as worker,
        progress("grid") as show,
    ):

        def told(step: GridStep) -> None:
            show(f"{step.label[:_LABEL]}: {step.cell + 1} of {step.cells}, steps", step.done, step.total)

        future = worker.submit(grid, pipeline, text, over=over, cancel=cancel, on_step=told, **options)
        found = awaited(future, cancel=cancel.cancel)
    first = found.results[0][0]
    varied = dict.fromkeys(chain(*((key,) if isinstance(key, str) else key for key in over)), "varied")
    for line in chosen(first.settings, {**options, **varied}):
        click.echo(line, err=True)
    cells = [[drawn(result, []) for result in row] for row in found.results]
    report = {"columns": found.columns, "rows": found.rows, "cells": cells}
    target.add_sheet(found.image, found.metadata(), report, seed=first.seed)
