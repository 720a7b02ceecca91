"""``edgediff run``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click

from edgediff.cli.command import Command
from edgediff.cli.prompts import one_prompt
from edgediff.cli.run_options import SECTIONS, asked, placed


@click.command(
    "run",
    cls=Command,
    sections=SECTIONS,
    examples=(
        'edgediff run "a red apple" -o apple.png',
        'edgediff run "a sailboat" -m emoji --steps 30 --guidance 3 --seed 7',
        'edgediff run "a fox" -n 4 --grid -o "foxes/{prompt}-{seed}.png"',
        'edgediff run --prompts list.txt -o "out/{index:03}.png"',
        'echo "a frog" | edgediff run - -o - > frog.png',
        'edgediff run -m my-dit --label "golden retriever" --label 207',
        'edgediff run "a cat" --image photo.jpg --strength 0.6',
        'edgediff run "a cat" --image photo.jpg --enlarge 2 --tile 512',
        'edgediff run "a red hat" --image photo.jpg --mask mask.png --keep exact',
        'edgediff run "a beach" --image photo.jpg --extend left=256,top=128',
        'edgediff run "a boat" --lora style.safetensors=0.8 -o boat.png',
        "edgediff run --repeat apple.png -o again.png",
        'edgediff run "a red apple" --plan plan.json',
    ),
)
@click.argument("prompt", nargs=-1, metavar="[PROMPT]", callback=one_prompt)
def command(
    *,
    prompt: str | None,
    model: str,
    output: str | None,
    overwrite: bool,
    grid: bool,
    prompts: Path | None,
    repeat: Path | None,
    plan: Path | None,
    as_json: bool,
    **given: Any,  # noqa: ANN401 - how to draw and where to compute, None where not given
) -> None:
    """Draw PROMPT with a bundle. Paths of the pictures go to stdout.

    PROMPT is a text in quotes; - reads it from stdin. A model without text takes --label, or nothing. A file that is
    there is not replaced without --overwrite.
    """
    from edgediff.api import load
    from edgediff.cli.adapter_options import repeated_adapters
    from edgediff.cli.drawing import draw
    from edgediff.cli.enlarge_options import check_enlarger
    from edgediff.cli.planned import planned
    from edgediff.cli.prompts import NO_PROMPT, repeated, subjects, texts
    from edgediff.cli.writing import writer

    place, options = placed(given), asked(given)
    if repeat is None:
        lines = texts(prompt, prompts)
    else:
        lines, options, drawn_with = repeated(repeat, prompt, prompts, options)
        place.update(repeated_adapters(repeat, place))
    check_enlarger(place["enlarger"], options, repeat)
    if plan is not None:
        model, place, options = planned(plan, model, place, options)
    labels = options.pop("class_label", None) or ()
    drawn = subjects(lines, labels if isinstance(labels, list | tuple) else (labels,))
    target = writer(
        output, [subject.words for subject in drawn], dict(options), overwrite=overwrite, grid=grid, as_json=as_json
    )
    with load(model, **{**place, "device": place["device"] or "auto"}) as pipeline:
        if None in lines and "prompt" in pipeline.bundle.manifest.recipe.options:
            raise click.UsageError(NO_PROMPT)
        if repeat is not None and drawn_with != pipeline.fingerprint:
            warnings.warn(f"{repeat} was drawn with another bundle than this one: expect another picture", stacklevel=2)
        for index, result in enumerate(draw(pipeline, drawn, options)):
            target.add(index, result)
    target.finish()
