"""``edgediff samplers``."""

from __future__ import annotations

import dataclasses
import json

import click

from edgediff.cli.command import Command

# Measured on the trained model of docs/reuse.md.
_FEW = """\
Fewer network calls, as measured on one small model (docs/reuse.md): where the picture is to stay, `run --reuse` with a
sampler that is not stochastic and low guidance, after `edgediff tune`; where another one will do, `--sampler
dpmpp_2m_ays --steps 10` is as near to the exact solution as 20 steps of `ddim`, and fewer steps are further."""


@click.command("samplers", cls=Command, examples=("edgediff samplers", "edgediff samplers --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, as_json: bool) -> None:
    """List the samplers that `run --sampler` takes."""
    from edgediff.cli.tables import print_table
    from edgediff_runtimes.sampling import sampler_table

    table = sampler_table()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(row) for row in table], indent=2))
        return
    print_table(
        "Samplers; a grid's name behind one, as in `euler_karras`, takes that grid: see docs/samplers.md",
        ("name", "order", "stochastic", "calls a step", "steps", "models", "source", "also known as"),
        [
            (
                row.name,
                row.order,
                "yes" if row.stochastic else "no",
                row.calls,
                f"{row.steps[0]}-{row.steps[1]}",
                row.needs,
                row.source,
                ", ".join(row.aliases),
            )
            for row in table
        ],
    )
    click.echo(_FEW)
