"""Which component costs what: pictures of the fp32 model in which one component alone is the candidate's."""

from __future__ import annotations

from edgediff_runtimes.bundle import Bundle, Fidelity
from edgediff_runtimes.engines import Engine, EngineOptions
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality.making import OnProgress, ignore
from edgediff_runtimes.quality.measures import MAX_DB
from edgediff_runtimes.quality.measuring import fidelity, measure_pictures
from edgediff_runtimes.quality.reference import Reference
from edgediff_runtimes.quality.running import Runner


def attribute(
    fp32: Runner, candidate: Runner, reference: Reference, *, on_progress: OnProgress = ignore
) -> dict[str, Fidelity]:
    """What each component costs alone.

    The record's pictures are drawn once for each component, with that component the candidate's and all others the
    fp32 bundle's. A component whose files are the same in both and which is computed in the same way costs nothing, and
    nothing is drawn for it.

    Args:
        fp32: The bundle that ``reference`` was made with, computed as it was then.
        candidate: The bundle whose components are tried.
        reference: What fp32 drew.
        on_progress: Told ``(what, pictures done, pictures in all)``, for each component from the start.

    Returns:
        By role, of the components that take part in drawing from text; means over the pictures.

    Raises:
        BundleError: One of the bundles lacks a component.
        NonFiniteError: A component returned NaN or infinity.
        EngineError: A component cannot be loaded or computed.
    """
    costs = {}
    # An encoder of pictures has no part in drawing from text: its own error along the trajectory says all.
    for role in fp32.bundle.manifest.recipe.drawing:
        if _is_same(fp32, candidate, role):
            costs[role] = Fidelity(MAX_DB, 1.0)
            continue

        def on_picture(_: str, done: int, total: int, role: str = role) -> None:
            on_progress(f"pictures with `{role}` alone", done, total)

        costs[role] = fidelity(measure_pictures(fp32, reference, replaced={role: candidate}, on_progress=on_picture))
    return costs


def _is_same(one: Runner, other: Runner, role: str) -> bool:
    """Whether a component has the same files in both bundles and the same runner computes them."""
    same_way = _way(one.placement, role) == _way(other.placement, role)
    return same_way and _hashes(one.bundle, role) == _hashes(other.bundle, role) is not None


def _way(placement: Placement, role: str) -> tuple[Engine | None, str, EngineOptions]:
    return placement.engine_named(role), placement.device_of(role), placement.options_of(role)


def _hashes(bundle: Bundle, role: str) -> list[str] | None:
    """The hashes of a component's files; None where one has none."""
    hashes = [entry.sha256 for entry in bundle.manifest.components[role].files]
    return None if None in hashes else [text for text in hashes if text is not None]
