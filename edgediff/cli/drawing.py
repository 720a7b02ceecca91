"""Prompts and labels drawn one after the other, with a bar; an interrupt ends the run inside its step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edgediff import Pipeline, Result, Run
    from edgediff.cli.prompts import Subject
    from edgediff_runtimes.settings import Options, Settings

_T = TypeVar("_T")
_POLL_S = 0.1  # how long an interrupt may wait; a lock without a timeout cannot be interrupted on Windows
_LABEL = 40  # characters of a prompt or label beside the bar


def draw(pipeline: Pipeline, subjects: list[Subject], options: Options) -> Iterator[Result]:
    """Each subject in turn with the next seed: what one batch would give, in the memory of one picture."""
    from edgediff.cli.progress import progress
    from edgediff_runtimes.doubts import doubts

    seed = options.get("seed")
    with ThreadPoolExecutor(1) as worker:
        for index, subject in enumerate(subjects):
            options["seed"] = seed
            if subject.label is not None:
                options["class_label"] = subject.label
            place = "steps" if len(subjects) == 1 else f"{index + 1} of {len(subjects)}, steps"
            label = f"{subject.words[:_LABEL]}: {place}" if subject.words else place
            with pipeline.stream(subject.prompt, **options) as run:
                for doubt in doubts(pipeline.bundle, run.settings):
                    warnings.warn(doubt, stacklevel=2)
                with progress(label, total=run.total_steps) as show:
                    result = awaited(worker.submit(_finish, run, partial(show, label)), cancel=run.cancel)
            # The bar is gone: what is printed now has the line to itself.
            for line in chosen(result.settings, options) if index == 0 else ():
                click.echo(line, err=True)
            yield result
            seed = (result.seeds[-1] + 1) % 2**64
            if result.settings.variation_seed is not None:
                options["variation_seed"] = (result.settings.variation_seeds[-1] + 1) % 2**64


def chosen(settings: Settings, options: Mapping[str, Any]) -> Iterator[str]:
    """What nobody gave, and whoever wants the same again must give."""
    from edgediff_runtimes.settings import RANDOM_SEED

    if options.get("seed") in (None, RANDOM_SEED):
        yield f"seed {settings.seed}"
    if settings.variation_seed is not None and options.get("variation_seed") in (None, RANDOM_SEED):
        yield f"variation seed {settings.variation_seed}"
    if options.get("denoise") is not None and options.get("noise_level") is None:
        yield f"noise level {settings.option('noise_level'):.4f}"


def _finish(run: Run, show: Callable[[int, int], None]) -> Result:
    for step in run:
        show(step.index + 1, step.total)
    return run.result


def awaited(future: Future[_T], *, cancel: Callable[[], None]) -> _T:
    """What a thread gives; an interrupt is passed on to what the thread does."""
    try:
        while not future.done():
            wait([future], timeout=_POLL_S)
    except KeyboardInterrupt:
        cancel()
        raise
    return future.result()
