"""``edgediff tune``."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from edgediff.cli import completion
from edgediff.cli.by_component import by_component
from edgediff.cli.command import Command, Section
from edgediff.cli.sizes import size as size_

if TYPE_CHECKING:
    from edgediff_runtimes.bundle import ProvedReuse

FLOORS = Section(
    "What has to hold",
    (
        click.Option(
            ["--min-psnr"],
            type=float,
            required=True,
            metavar="DB",
            help="Least mean PSNR of the measured pictures against those of the run that makes all calls.",
        ),
        click.Option(
            ["--min-worst"],
            type=float,
            metavar="DB",
            help="Least mean PSNR of the worst tenth of them.  [default: --min-psnr]",
        ),
    ),
)
RUNS = Section(
    "The runs that it is for",
    (
        click.Option(["--steps"], type=int, help="Sampling steps.  [default: the bundle's]"),
        click.Option(["--guidance"], type=float, help="Guidance scale.  [default: the bundle's]"),
        click.Option(
            ["--sampler"],
            metavar="NAME",
            shell_complete=completion.samplers,
            help="See `edgediff samplers`.  [default: the bundle's]",
        ),
        click.Option(["--size"], metavar="WxH", callback=size_, help="Pixels.  [default: the bundle's]"),
    ),
)
TRIALS = Section(
    "Pictures drawn to search and to measure",
    (
        click.Option(["--calibrate"], metavar="FILE", help="Prompts to search with, one a line.  [default: ours]"),
        click.Option(
            ["--calibration-pictures"],
            type=int,
            metavar="N",
            help="Pictures to draw with them.  [default: one per prompt of FILE, 12 of ours]",
        ),
        click.Option(
            ["--evaluate"], metavar="FILE", help="Other prompts, to measure with, one a line.  [default: ours]"
        ),
        click.Option(
            ["--evaluation-pictures"],
            type=int,
            metavar="N",
            help="Pictures to draw with them, at least 10.  [default: one per prompt, and at least 10]",
        ),
        click.Option(
            ["--trials"],
            type=int,
            default=100,
            show_default=True,
            metavar="N",
            help="Schedules to try at most, even ones among them.",
        ),
    ),
)


@click.command(
    "tune",
    cls=Command,
    sections=(FLOORS, RUNS, TRIALS),
    examples=(
        "edgediff tune my-bundle --min-psnr 40",
        "edgediff tune my-bundle --min-psnr 48 --min-worst 43 --guidance 2.5",
    ),
)
@click.argument("bundle", shell_complete=completion.models)
@click.option(
    "--engine",
    multiple=True,
    metavar="[COMPONENT=]NAME",
    shell_complete=completion.engines,
    help="Compute with this engine; repeat it per component. Default: that of the format.",
)
@click.option(
    "--device",
    multiple=True,
    metavar="[COMPONENT=]DEVICE",
    shell_complete=completion.devices,
    help="Compute on this device, likewise.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found and measured as JSON.")
def command(
    *,
    bundle: str,
    size: tuple[int, int] | None,
    engine: tuple[str, ...],
    device: tuple[str, ...],
    as_json: bool,
    **options: Any,  # noqa: ANN401 - as click read them, named as `tune` names them
) -> None:
    """Find how few network calls are enough: the others are extrapolated from them.

    BUNDLE is a directory of your own. A schedule is searched on some pictures, measured on others against the run that
    makes all calls, and written into the manifest in the place of what was found before for the same settings, for
    `edgediff run --reuse auto` with these. Below the floors nothing is written.
    """
    from edgediff.cli.progress import progress
    from edgediff.tuning import tune

    width, height = size or (None, None)
    with progress("the bundle") as show:
        found = tune(
            bundle,
            width=width,
            height=height,
            engine=by_component("--engine", engine),
            device=by_component("--device", device, default="auto") or "auto",
            on_progress=show,
            **options,
        )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found), indent=2))
        return
    print_reuse((found.proof,))
    click.echo(f"{found.tried} schedules tried; in {bundle} now, for `edgediff run --reuse auto` with these settings")
    for one in found.missed:
        click.echo(f"{len(one.schedule.made)} calls held them on the pictures of the search alone: {_figures(one)}")


def print_reuse(proofs: tuple[ProvedReuse, ...]) -> None:
    """The schedules of reuse that were measured, a row each."""
    from edgediff.cli.tables import print_table

    print_table(
        "reuse of predictions, against the run that makes all calls",
        ("calls", "made", "sampler", "guidance", "size", "PSNR: mean", "worst tenth", "SSIM: mean", "pictures"),
        [
            (
                f"{len(one.schedule.made)} of {len(one.orders)}",
                " ".join(map(str, one.schedule.made)),
                f"{one.sampler or 'its own'}, {one.steps} steps",
                "-" if one.guidance is None else f"{one.guidance:g}",
                f"{one.width}x{one.height}",
                f"{one.psnr_db.mean:.1f} dB",
                f"{one.psnr_db.worst_tenth:.1f} dB",
                f"{one.ssim.mean:.4f}",
                len(one.pictures),
            )
            for one in proofs
        ],
    )


def _figures(one: ProvedReuse) -> str:
    return f"{one.psnr_db.mean:.1f} dB, worst tenth {one.psnr_db.worst_tenth:.1f} dB"
