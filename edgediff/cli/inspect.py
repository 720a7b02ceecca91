"""``edgediff inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgediff_runtimes.bundle import Bundle, Component


@click.command("inspect")
@click.argument("bundle")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def command(*, bundle: str, as_json: bool) -> None:
    """Show what a bundle holds, how exact it is and where it comes from.

    BUNDLE is a directory, or the name of a shipped model.
    """
    from edgediff.api import open_bundle

    opened = open_bundle(bundle)
    if as_json:
        click.echo(opened.manifest.to_json(), nl=False)
    else:
        print_bundle(opened)


def print_bundle(opened: Bundle) -> None:
    """Print components and facts of a bundle."""
    from edgediff.cli.tables import print_table, readable_bytes

    manifest = opened.manifest
    print_table(
        f"{opened.path.name}: {manifest.family}" + (" (manifest derived)" if opened.derived else ""),
        ("component", "format", "precision", "size", "largest error", "inputs -> outputs"),
        [
            (
                role,
                component.format,
                component.precision,
                readable_bytes(sum(entry.bytes for entry in component.files)),
                _error(component),
                _signature(component),
            )
            for role, component in manifest.components.items()
        ],
    )
    defaults, latents, provenance = manifest.defaults, manifest.latents, manifest.provenance
    facts = {
        "tasks": ", ".join(manifest.tasks),
        "scheduler": f"{manifest.scheduler['_class_name']}, predicts {manifest.scheduler.get('prediction_type', '-')}",
        "defaults": f"{defaults.width}x{defaults.height}, {defaults.steps} steps, guidance {defaults.guidance:g}",
        "latents": f"{latents.channels} channels, factor {latents.factor}, scaling {latents.scaling:g}",
        "prompts": ", ".join(f"{tokenizer.max_tokens} tokens" for tokenizer in manifest.tokenizers),
        "source": provenance.source,
        "licence": provenance.licence or "not stated",
        "exported": provenance.date or "unknown",
        "tools": ", ".join(f"{name} {version}" for name, version in provenance.tools.items()) or "unknown",
    }
    for name, text in facts.items():
        click.echo(f"{name + ':':11} {text}")


def _error(component: Component) -> str:
    if not component.checks:
        return "not measured"
    return f"{max(check.error for check in component.checks):.1e} of {component.tolerance:.0e} allowed"


def _signature(component: Component) -> str:
    if not component.inputs:
        return "not recorded"
    return f"{', '.join(map(str, component.inputs))} -> {', '.join(map(str, component.outputs))}"
