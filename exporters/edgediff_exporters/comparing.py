"""``compare``: whether the graphs of a bundle still do what the modules of its source do, and are what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from edgediff_exporters.families import ComponentPlan
from edgediff_exporters.opening import open_model
from edgediff_exporters.quantization import quantiser_for
from edgediff_exporters.sources.base import Source
from edgediff_exporters.verification import measure
from edgediff_runtimes.bundle import Bundle, Component
from edgediff_runtimes.errors import ManifestError, SourceError
from edgediff_runtimes.placement import Placement

_PLACEMENT = Placement()
_SAME_IN_EVERY_FORMAT = ("fp32", "w16", "fp16")


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """One component held against its module.

    Attributes:
        error: max |graph - module| / max |module|.
        tolerance: The largest error that its precision allows; None where there is no such bound, because its weights
            or arithmetic are rounded by how well the pictures come out.
    """

    error: float
    tolerance: float | None


def compare(
    bundle: Bundle,
    source: str | Path,
    *,
    config: str | Path | None = None,
    components: Mapping[str, str | Path] | None = None,
    placement: Placement = _PLACEMENT,
) -> dict[str, Comparison]:
    """Measure every graph of a bundle against its module again, and count its operators.

    What the manifest claims of errors is not looked at: they are measured, and the tolerance is the family's own for
    the precision, so that a manifest edited by hand changes nothing. What it says of quantised operators is held
    against the graph.

    Args:
        bundle: One that edgediff exported.
        source: What it was exported from, as in ``export``.
        config: As in ``export``.
        components: As in ``export``.
        placement: What computes the graphs, and where.

    Returns:
        The comparison of each component that is one of the model's own.

    Raises:
        SourceError: The source is no model, or the bundle was not exported from one of its family.
        ManifestError: A graph has other operators than the manifest says.
        EngineError: The engine cannot load or run a graph.
        NotInstalledError: A graph's engine, or what counts its operators, is not installed.
        ToleranceError: A graph strays too far from its module, or returns what is not finite.
    """
    if bundle.manifest.sizes:
        raise SourceError(
            f"`{bundle.path.name}` has graphs of fixed shapes, which are compared with their modules before they get "
            "them: expected a bundle that draws any size",
            hint="export the model again without `target`",
        )
    opened = open_model(source, config=config, components=components)
    model = opened.source
    if bundle.derived or opened.family.name != bundle.manifest.family:
        raise SourceError(
            f"`{bundle.path.name}` was not exported by edgediff from a `{opened.family.name}` model: expected one that "
            "was"
        )
    compared = {}
    for plan in opened.plans:
        component = bundle.manifest.components.get(plan.role)
        if component is not None:
            _check_operators(bundle, plan.role, component)
            compared[plan.role] = _compared(bundle, model, plan, component, placement)
    return compared


def _compared(
    bundle: Bundle, model: Source, plan: ComponentPlan, component: Component, placement: Placement
) -> Comparison:
    # OpenVINO's `w8` rounds other layers, and in other groups, than the one that the family's bound was made for.
    known = component.format == "onnx" or component.precision in _SAME_IN_EVERY_FORMAT
    tolerance = plan.tolerances.get(component.precision) if known else None
    checks, _, _ = measure(
        plan,
        model.config(plan.origin),
        model.weights(plan.origin).renamed(plan.rename),
        bundle.graph(plan.role),
        engine=placement.engine_of(bundle.graph(plan.role)),
        device=placement.device_of(plan.role),
        tolerance=tolerance,
        on_step=lambda _done, _total: None,
    )
    return Comparison(max(check.error for check in checks), tolerance)


def _check_operators(bundle: Bundle, role: str, component: Component) -> None:
    counted = quantiser_for(component.format).count(bundle.graph(role).path)
    for kind in sorted({*counted, *component.operators}):
        if (said := component.operators.get(kind)) != (found := counted.get(kind)):
            raise ManifestError(
                f"components.{role}.operators.{kind}",
                got=said and asdict(said),
                expected=f"{found and asdict(found)}, as the graph has it",
            )
