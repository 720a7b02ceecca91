"""``edgediff verify``."""

from __future__ import annotations

import dataclasses
import json

import click


@click.command("verify")
@click.argument("bundle")
@click.option("--against", metavar="SOURCE", help="Compare every graph with the model it was exported from.")
@click.option("--config", metavar="DIR", help="For a single-file SOURCE: a diffusers directory with its configs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, bundle: str, against: str | None, config: str | None, as_json: bool) -> None:
    """Check that a bundle is what was exported and that its graphs load.

    BUNDLE is a directory, or the name of a shipped model.
    """
    from edgediff.api import verify

    report = verify(bundle, against=against, config=config)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report), indent=2))
        return
    click.echo(f"{report.files} files are what was exported, {report.graphs} graphs load")
    for role, error in report.errors.items():
        allowed = report.tolerances.get(role)
        click.echo(f"{role}: error {error:.1e}" + ("" if allowed is None else f", {allowed:.0e} allowed"))
