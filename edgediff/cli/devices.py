"""``edgediff devices``."""

from __future__ import annotations

import json

import click

from edgediff.cli.command import Command


@click.command("devices", cls=Command, examples=("edgediff devices", "edgediff devices --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, as_json: bool) -> None:
    """List engines and the devices they reach on this machine."""
    from edgediff.api import describe_devices
    from edgediff.cli.tables import print_table

    report = describe_devices()
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    rows = []
    for name, engine in report["engines"].items():
        if "missing" in engine:
            rows.append((name, "not installed", engine["missing"], "", "", ""))
        for device, about in engine.get("devices", {}).items():
            computes = ", ".join(about["executions"])
            rows.append((name, engine["version"], device, computes, about["verified"], about["description"]))
    print_table("Engines", ("engine", "version", "device", "computes in", "verified", "what it is"), rows)
