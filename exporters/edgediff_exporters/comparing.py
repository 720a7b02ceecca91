"""``compare``: whether the graphs of a bundle still do what the modules of its source do."""

from __future__ import annotations

from pathlib import Path

from edgediff_exporters.families import plans_of
from edgediff_exporters.sources import open_source
from edgediff_exporters.verification import verify
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families import family_of


def compare(bundle: Bundle, source: str | Path, *, config: str | Path | None = None) -> dict[str, float]:
    """Measure every graph of a bundle against its module again.

    Left out are quantised graphs and other formats than ONNX: what they do is told by the pictures that they draw, see
    ``edgediff_runtimes.quality``. What the manifest claims is not looked at: errors are measured, and the tolerance is
    the family's own for the precision, so that a manifest edited by hand changes nothing.

    Args:
        bundle: One that edgediff exported.
        source: What it was exported from, as in ``export``.
        config: As in ``export``.

    Returns:
        The largest error of each component: max |graph - module| / max |module|.

    Raises:
        SourceError: The source is no model, or the bundle was not exported from one of its family.
        ToleranceError: A graph strays too far from its module.
    """
    model = open_source(source, config=config)
    family = family_of(model.configs().class_name)
    if bundle.derived or family.name != bundle.manifest.family:
        raise SourceError(
            f"`{bundle.path.name}` was not exported by edgediff from a `{family.name}` model: expected one that was"
        )
    errors = {}
    for plan in plans_of(family.name, model):
        component = bundle.manifest.components.get(plan.role)
        if component is None or component.format != "onnx" or component.precision not in plan.tolerances:
            continue
        checks, _, _ = verify(
            plan,
            model.config(plan.origin),
            model.weights(plan.origin).renamed(plan.rename),
            bundle.graph(plan.role).path,
            tolerance=plan.tolerances[component.precision],
            on_step=lambda _done, _total: None,
        )
        errors[plan.role] = max(check.error for check in checks)
    return errors
