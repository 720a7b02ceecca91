"""Every candidate of what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgediff.planning.candidates import Candidate, quality_of, seconds_of_steps, together
from edgediff.planning.figures import Figures
from edgediff.planning.knobs import Values, call_options, load_options, settings_to_predict
from edgediff.planning.measuring import Measured
from edgediff.planning.variants import Variant
from edgediff_runtimes.bundle import ProvedReuse
from edgediff_runtimes.settings import Options

_FEWER = "fewer steps than others of this plan: how far their pictures are from those was not measured"


def candidates(measured: Sequence[Measured]) -> list[Candidate]:
    """All of them, in the order in which they were measured."""
    return [found for one in measured for found in _of(one)]


def _of(measured: Measured) -> Iterator[Candidate]:
    variant, figures = measured.variant, measured.figures
    manifest = variant.work.bundle.manifest
    precisions = {role: manifest.components[role].precision for role in figures.executions}
    bundle_db, unproven = quality_of(manifest.quality, precisions, figures.executions)
    for predicted in settings_to_predict(variant.work):
        values: Values = {**variant.values, **predicted}
        proof = None if values["reuse"] is None else variant.work.proofs[values["steps"]][values["reuse"]]
        calls = 1.0 if proof is None else (len(proof.schedule.made) - 1) / (len(proof.orders) - 1)
        steps = variant.run_steps[values["steps"]]
        drawing = figures.around_s + seconds_of_steps(figures, steps=steps, calls=calls)
        reasons = [unproven] * (unproven is not None)
        reasons += [] if proof is None else _elsewhere(proof, variant, figures)
        reasons += [_FEWER] * (values["steps"] != variant.work.steps[0])
        others = [figures.psnr_db, None if proof is None else proof.psnr_db.mean]
        errors = [bundle_db, *(db for db in others if db is not None)]
        yield Candidate(
            bundle=variant.name,
            engine=variant.case.engine,
            device=variant.case.device,
            execution=variant.case.asked,
            values=values,
            time_s=figures.load_s + drawing,
            first_time_s=None if figures.first_load_s is None else figures.first_load_s + drawing,
            next_time_s=drawing if values["residency"] == "resident" else figures.load_s + drawing,
            memory_bytes=figures.memory_bytes,
            psnr_db=None if reasons else together(*errors),
            unproven=", and ".join(filter(None, reasons)) or None,
            settings={
                "bundle": {
                    "name": variant.name,
                    "path": str(variant.case.bundle.path),
                    "fingerprint": variant.work.bundle.fingerprint,
                },
                "precision": precisions,
                "load": {**variant.placement, **load_options(values)},
                "call": {**_call(variant.case.works[0]), **call_options(values), **_schedule(proof)},
            },
        )


def _elsewhere(proof: ProvedReuse, variant: Variant, figures: Figures) -> list[str]:
    """Why what was measured of a schedule does not hold here, if so: predictions are of the network as it computed."""
    duties = variant.work.bundle.manifest.recipe.duties
    networks = {role: how for role, how in figures.executions.items() if duties[role] == "network"}
    return [
        f"its reuse was measured with `{role}` computed in {proof.execution}, and here it is {how}"
        for role, how in networks.items()
        if how != proof.execution
    ]


def _call(work: Options) -> Values:
    """What was asked of the picture, without what another picture has otherwise."""
    asked = {"width": work.get("width"), "height": work.get("height"), "guidance": work.get("guidance")}
    return {name: value for name, value in asked.items() if value is not None}


def _schedule(proof: ProvedReuse | None) -> Values:
    """The orders that were measured: a number of calls would be another schedule once the bundle is tuned anew."""
    return {} if proof is None else {"reuse": list(proof.orders)}
