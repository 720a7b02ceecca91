"""``edgediff devices``."""

from __future__ import annotations

import json

import click


@click.command("devices")
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
            rows.append((name, "not installed", engine["missing"], ""))
        else:
            rows += [(name, engine["version"], device, text) for device, text in engine["devices"].items()]
    print_table("Engines", ("engine", "version", "device", "what it is"), rows)
