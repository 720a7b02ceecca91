"""Variants measured, each in processes of its own; what was found is kept for the next plan on this machine."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, final

from edgediff.bench.busy import others_share, processor_time
from edgediff.bench.machine import describe_machine
from edgediff.bench.measuring import run_job
from edgediff.bench.watch import Watched
from edgediff.planning.figures import Figures, figures_of
from edgediff.planning.kept import KeptFigures
from edgediff.planning.knobs import call_options, load_options
from edgediff.planning.variants import Excluded, Variant
from edgediff_runtimes.errors import EngineError
from edgediff_runtimes.plain import readable_bytes, readable_seconds

_VERSION = 3  # of what is kept and how it is measured
# A variant whose processes are quick is measured again, so that a slow moment of the machine does not decide.
_ROUNDS, _ENOUGH_S = 3, 4.0
_OF_THE_MACHINE = ("cpu", "cores", "memory_bytes", "system", "architecture", "packages")


@final
@dataclass(frozen=True, slots=True)
class Measured:
    """A variant with its figures, and whether they were kept from before."""

    variant: Variant
    figures: Figures
    kept: bool


@final
@dataclass(frozen=True, slots=True)
class Progress:
    """How far measuring is: variants done, how many there are, what is measured now; what was measured last."""

    done: int
    total: int
    now: str
    last: Measured | None = None


def measure(
    variants: Sequence[Variant],
    *,
    at_most_s: float,
    fresh: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> tuple[list[Measured], list[Excluded]]:
    """Measure variants in their order; may be interrupted at any time, and keeps what was measured until then.

    Args:
        variants: What to measure.
        at_most_s: Seconds after which no further variant is begun, unless there is nothing yet to choose from; those
            that are kept are taken all the same.
        fresh: Measure also what is kept.
        on_progress: Told before every variant, and at the end.

    Returns:
        What was measured, and what was not and why.
    """
    measured: list[Measured] = []
    excluded: list[Excluded] = []
    began, kept = time.monotonic(), KeptFigures.of_user()
    with tempfile.TemporaryDirectory(prefix="edgediff-plan-") as folder:
        compiled = _Compiled(Path(folder))
        for index, variant in enumerate(variants):
            on_progress(Progress(index, len(variants), label(variant), measured[-1] if measured else None))
            name, roles = _name(variant), variant.work.bundle.manifest.components
            found = None if fresh else kept.read(name, roles=roles)
            if found is not None:
                measured.append(Measured(variant, found, kept=True))
            elif measured and time.monotonic() - began > at_most_s:
                reason = f"not measured: {readable_seconds(at_most_s)} of measuring were over"
                excluded.append(Excluded(label(variant), reason))
            else:
                try:
                    found = _measured(variant, compiled)
                except EngineError as error:  # of this engine, or memory ran out: others may do better
                    excluded.append(Excluded(label(variant), error.sentence))
                    continue
                measured.append(Measured(variant, found, kept=False))
                kept.keep(name, found)
    on_progress(Progress(len(variants), len(variants), "", measured[-1] if measured else None))
    return measured, excluded


def label(variant: Variant) -> str:
    """``emoji, onnxruntime on cpu, sequential, low_memory``: what is measured, in a few words."""
    case = variant.case
    asked = [] if case.asked is None else [json.dumps(case.asked).strip('"')]
    values = [name if value is True else str(value) for name, value in variant.values.items() if value]
    return ", ".join([variant.name, f"{case.engine} on {case.device}", *asked, *values])


def in_words(one: Measured) -> str:
    """What was measured of a variant, in a line."""
    figures = one.figures
    peak = "memory not known" if figures.memory_bytes is None else readable_bytes(figures.memory_bytes)
    kept = " (measured before)" if one.kept else ""
    load, step = readable_seconds(figures.load_s), readable_seconds(figures.step_s)
    return f"{label(one.variant)}: load {load}, a step {step}, {peak}{kept}"


@final
@dataclass(frozen=True, slots=True)
class _Compiled:
    """Graphs that engines compiled while a plan is made, and what the first load of each bundle took.

    Attributes:
        folder: Where they are.
        first_s: By bundle and place: seconds of loading all graphs while the engine compiled and kept them.
    """

    folder: Path
    first_s: dict[str, float] = field(default_factory=dict)

    def run(self, variant: Variant, job: dict[str, Any]) -> tuple[dict[str, Any], Watched]:
        """Have a job done; where an engine compiled anything for it, once more, with that at hand."""
        there = self._files()
        answered = run_job(job, label(variant), compiled=self.folder)
        if self._files() != there:
            loads = answered[0]["result"]["runs"][0]["loads_s"]
            self.first_s.setdefault(_compiled_as(variant), sum(loads.values()))
            answered = run_job(job, label(variant), compiled=self.folder)
        return answered

    def first_load_s(self, variant: Variant) -> float | None:
        """See ``first_s``; None where nothing was kept."""
        return self.first_s.get(_compiled_as(variant))

    def _files(self) -> set[Path]:
        return {path for path in self.folder.glob("compiled/*") if not path.name.startswith(".")}


def _compiled_as(variant: Variant) -> str:
    """What tells graphs that are compiled from others: how memory is saved does not."""
    return json.dumps([variant.work.bundle.fingerprint, variant.placement], sort_keys=True)


def _measured(variant: Variant, compiled: _Compiled) -> Figures:
    placement = {**variant.placement, **load_options(variant.values)}
    job = {
        "kind": "short",
        "bundle": str(variant.case.bundle.path),
        "split_guidance": placement.pop("split_guidance"),
        "placement": placement,
        "prompt": variant.case.prompt,
        "options": variant.options,
        # An option that changes the picture is compared with the picture that is drawn without it, of the same seed.
        "works": [{}, *([dict.fromkeys(changed)] if (changed := call_options(variant.values)) else [])],
    }
    network = {role for role, duty in variant.work.bundle.manifest.recipe.duties.items() if duty == "network"}
    rounds: list[dict[str, Any]] = []
    before, spent = processor_time(), 0.0
    while not rounds or (len(rounds) < _ROUNDS and spent < _ENOUGH_S):
        answer, watched = compiled.run(variant, job)
        rounds.append(answer["result"])
        spent += watched.seconds
    others = others_share(before, processor_time())
    return figures_of(rounds, network=network, first_load_s=compiled.first_load_s(variant), others_share=others)


@cache
def machine() -> dict[str, Any]:
    """What of this machine figures hang on; looked up once in a process. It is not to be written to."""
    described = describe_machine()
    return {name: described[name] for name in _OF_THE_MACHINE}


def _name(variant: Variant) -> str:
    """What a variant's figures are kept under: a digest of all that they hang on."""
    on = {
        "version": _VERSION,
        "fingerprint": variant.work.bundle.fingerprint,
        "placement": variant.placement,
        "values": variant.values,
        "options": variant.options,
        "engine_version": variant.case.describe()["engine_version"],
        "settings": asdict(variant.work.settings) | {"steps": None, "seed": None},
        "machine": machine(),
    }
    return hashlib.sha256(json.dumps(on, sort_keys=True, default=str).encode()).hexdigest()[:32]
