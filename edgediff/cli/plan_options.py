"""The options of ``edgediff plan``, in the sections of its help."""

from __future__ import annotations

from pathlib import Path

import click

from edgediff.cli import completion
from edgediff.cli.bench_options import DEVICES, GUIDANCE, THREADS
from edgediff.cli.by_component import each_by_component
from edgediff.cli.command import Section
from edgediff.cli.sizes import byte_count, duration, size

_FILE = click.Path(path_type=Path)
_BUDGET = Section(
    "The budget",
    (
        click.Option(["--memory"], metavar="BYTES", callback=byte_count, help="Most private memory, such as 8GB."),
        click.Option(
            ["--latency"],
            metavar="TIME",
            callback=duration,
            help="Most time of a picture with loading, such as 20s or 800ms.",
        ),
        click.Option(
            ["--min-psnr"],
            type=float,
            metavar="DB",
            help="Least mean PSNR against fp32, as manifests prove it; what is not proven does not keep to it.",
        ),
        click.Option(
            ["--prefer"],
            type=click.Choice(["quality", "time", "memory"]),
            help="What is best among what keeps to these.  [default: the first without a limit, else time]",
        ),
    ),
)
_WORK = Section(
    "What is drawn",
    (
        click.Option(["--size"], metavar="WxH", callback=size, help="Pixels.  [default: the bundle's]"),
        click.Option(
            ["--steps"],
            type=int,
            multiple=True,
            help="Sampling steps; repeat it to choose from.  [default: the bundle's]",
        ),
        GUIDANCE,
    ),
)
_CHOICES = Section(
    "What to choose from",
    (
        click.Option(
            ["--engine", "engines"],
            multiple=True,
            shell_complete=completion.engines,
            help="See `edgediff devices`; repeatable.  [default: all that are installed]",
        ),
        DEVICES,
        click.Option(
            ["--execution", "executions"],
            multiple=True,
            default=("graph",),
            show_default=True,
            callback=each_by_component,
            help="What floats are computed in: f32, bf16, f16, or as the graph was exported; repeatable, likewise.",
        ),
        THREADS,
    ),
)
_MEASURING = Section(
    "How it is measured",
    (
        click.Option(
            ["--at-most", "at_most_s"],
            metavar="TIME",
            default="5min",
            show_default=True,
            callback=duration,
            help="After this nothing further is measured; what was is kept, so that the next plan goes on from there.",
        ),
        click.Option(["--fresh"], is_flag=True, help="Measure also what was measured before on this machine."),
    ),
)
_RESULT = Section(
    "The plan",
    (
        click.Option(
            ["--apply", "apply_to"],
            type=_FILE,
            metavar="FILE.json",
            help="Write the plan's settings, for `edgediff run --plan FILE.json`.",
        ),
        click.Option(
            ["--json"],
            type=_FILE,
            metavar="FILE",
            help="Write all that was found as JSON; - is stdout, in place of the tables.",
        ),
        click.Option(["--plot"], type=_FILE, metavar="FILE", help="Write time against memory as SVG."),
        click.Option(["--all", "show_all"], is_flag=True, help="Show every candidate, not the first dozen."),
        click.Option(["--overwrite"], is_flag=True, help="Replace files that are there."),
    ),
)
SECTIONS = (_BUDGET, _WORK, _CHOICES, _MEASURING, _RESULT)
