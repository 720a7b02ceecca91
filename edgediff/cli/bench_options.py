"""The options of ``edgediff bench``, in the sections of its help."""

from __future__ import annotations

from pathlib import Path

import click

from edgediff.cli import completion
from edgediff.cli.by_component import each_by_component
from edgediff.cli.command import Section
from edgediff.cli.sizes import byte_count, duration, sizes

# What `edgediff plan` has as well.
GUIDANCE = click.Option(["--guidance"], type=float, help="Guidance scale; 1 turns it off.  [default: the bundle's]")
DEVICES = click.Option(
    ["--device", "devices"],
    multiple=True,
    default=("auto",),
    shell_complete=completion.devices,
    callback=each_by_component,
    help="See `edgediff devices`; repeatable. One may be by component: unet=gpu,vae_decoder=cpu.",
)
THREADS = click.Option(["--threads"], type=int, help="Threads per graph.  [default: the engine's choice]")

_WORK = Section(
    "What is drawn",
    (
        click.Option(["--steps"], type=int, multiple=True, help="Sampling steps; repeatable.  [default: the bundle's]"),
        click.Option(["--size", "sizes"], multiple=True, metavar="WxH", callback=sizes, help="Pixels; repeatable."),
        click.Option(
            ["--batch", "batches"], type=int, multiple=True, default=(1,), help="Pictures at a time; repeatable."
        ),
        GUIDANCE,
    ),
)
_COMPUTED = Section(
    "What computes it",
    (
        DEVICES,
        click.Option(
            ["--engine", "engines"],
            multiple=True,
            shell_complete=completion.engines,
            callback=each_by_component,
            help="See `edgediff devices`; repeatable, likewise.  [default: the format's]",
        ),
        click.Option(
            ["--execution", "--precision-of-execution", "executions"],
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
        click.Option(["--repeat"], type=int, default=3, show_default=True, help="Rounds, each in fresh processes."),
        click.Option(
            ["--warmup"], type=int, default=1, show_default=True, help="Pictures before the one that is measured."
        ),
        click.Option(
            ["--sustain", "sustain_s"],
            metavar="TIME",
            callback=duration,
            help="Draw on for so long at the end, such as 5m: whether heat slows the device, energy per picture.",
        ),
    ),
)
_REPORT = Section(
    "The report",
    (
        click.Option(
            ["--json"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Write the report as JSON; - is stdout, in place of the tables.",
        ),
        click.Option(
            ["--html"], type=click.Path(path_type=Path), metavar="FILE", help="Write it as a page with charts."
        ),
        click.Option(["--plot"], type=click.Path(path_type=Path), metavar="FILE", help="Write the charts as SVG."),
        click.Option(["--overwrite"], is_flag=True, help="Replace files that are there."),
    ),
)
_VERDICT = Section(
    "The verdict",
    (
        click.Option(
            ["--max-memory"],
            metavar="BYTES",
            callback=byte_count,
            help="The verdict is on bundles whose peak is at most this, such as 2GB; exit code 1 where none is left.",
        ),
        click.Option(
            ["--min-psnr"],
            type=float,
            metavar="DB",
            help="The verdict is on bundles of at least this mean PSNR in their manifests; exit code 1 where none is.",
        ),
    ),
)
_COMPARISON = Section(
    "Two reports",
    (
        click.Option(
            ["--compare"],
            nargs=2,
            type=click.Path(path_type=Path),
            metavar="OLD.json NEW.json",
            help="Show what changed from one JSON report to another; goes alone.",
        ),
        click.Option(
            ["--fail-above"],
            type=click.FloatRange(min=0),
            metavar="PERCENT",
            help="With --compare: exit code 1 where a time or memory grew by more, beyond its spread.",
        ),
    ),
)
SECTIONS = (_WORK, _COMPUTED, _MEASURING, _REPORT, _VERDICT, _COMPARISON)
