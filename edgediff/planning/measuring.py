"""Variants measured, each in processes of its own; what was found is kept for the next plan on this machine.

Figures are kept in ``plans`` of the user's cache folder (see ``compiled_cache``), a small JSON file for each variant,
under a digest of bundle, placement, work, machine and versions. A file appears whole; what cannot be read is measured.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

from edgediff.bench.busy import others_share, processor_time
from edgediff.bench.machine import describe_machine
from edgediff.bench.measuring import run_job
from edgediff.planning.figures import Figures, figures_of
from edgediff.planning.knobs import call_options, load_options
from edgediff.planning.variants import Excluded, Variant
from edgediff.targets import write_whole
from edgediff_runtimes.compiled_cache import cache_folder
from edgediff_runtimes.errors import EdgediffError, EngineError
from edgediff_runtimes.plain import readable_bytes
from edgediff_runtimes.untrusted.documents import read_json

_VERSION = 2  # of what is kept and how it is measured
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
) -> tuple[list[Measured], list[Excluded], float | None]:
    """Measure variants in their order; may be interrupted at any time, and keeps what was measured until then.

    Args:
        variants: What to measure.
        at_most_s: Seconds after which no further variant is begun; those that are kept are taken all the same.
        fresh: Measure also what is kept.
        on_progress: Told before every variant, and at the end.

    Returns:
        What was measured, what was not and why, and the share of the machine that others took (None: not known).
    """
    measured: list[Measured] = []
    excluded: list[Excluded] = []
    began, before = time.monotonic(), processor_time()
    with tempfile.TemporaryDirectory(prefix="edgediff-plan-") as folder:
        compiled = _Compiled(Path(folder))
        for index, variant in enumerate(variants):
            on_progress(Progress(index, len(variants), label(variant), measured[-1] if measured else None))
            place = _place(variant)
            found = None if fresh else _kept(place)
            if found is not None:
                measured.append(Measured(variant, found, kept=True))
            elif time.monotonic() - began > at_most_s:
                excluded.append(Excluded(label(variant), f"not measured: {at_most_s:.0f} s of measuring were over"))
            else:
                try:
                    found = _measured(variant, compiled)
                except EngineError as error:  # of this engine, or memory ran out: others may do better
                    excluded.append(Excluded(label(variant), error.sentence))
                    continue
                measured.append(Measured(variant, found, kept=False))
                _keep(place, found)
    on_progress(Progress(len(variants), len(variants), "", measured[-1] if measured else None))
    return measured, excluded, others_share(before, processor_time())


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
    return f"{label(one.variant)}: load {figures.load_s:.3g} s, a step {figures.step_s:.3g} s, {peak}{kept}"


@final
@dataclass(frozen=True, slots=True)
class _Compiled:
    """Graphs that engines compiled while a plan is made, and what the first load of each bundle took.

    Attributes:
        folder: Where they are.
        first_s: By placement: seconds of loading all graphs for the first time, None where nothing is kept.
    """

    folder: Path
    first_s: dict[str, float | None] = field(default_factory=dict)

    def first_load_s(self, variant: Variant, job: dict[str, Any]) -> float | None:
        """Have all graphs compiled that are not; see ``first_s``."""
        placement = {name: value for name, value in job["placement"].items() if name != "residency"}
        key = json.dumps([variant.work.bundle.fingerprint, placement], sort_keys=True)
        if key not in self.first_s:
            before = self._files()
            answer, _ = run_job({**job, "works": []}, label(variant), compiled=self.folder)
            kept = self._files() != before
            self.first_s[key] = sum(answer["result"]["loads_s"].values()) if kept else None
        return self.first_s[key]

    def _files(self) -> set[Path]:
        return {path for path in self.folder.glob("compiled/*") if not path.name.startswith(".")}


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
    first_load_s, spent = compiled.first_load_s(variant, job), 0.0
    while not rounds or (len(rounds) < _ROUNDS and spent < _ENOUGH_S):
        answer, watched = run_job(job, label(variant), compiled=compiled.folder)
        rounds.append(answer["result"])
        spent += watched.seconds
    return figures_of(rounds, network=network, first_load_s=first_load_s)


def machine() -> dict[str, Any]:
    """What of this machine figures hang on."""
    described = describe_machine()
    return {name: described[name] for name in _OF_THE_MACHINE}


def _place(variant: Variant) -> Path | None:
    """The file of a variant's figures; None where there is no place for a cache."""
    folder = cache_folder()
    if folder is None:
        return None
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
    digest = hashlib.sha256(json.dumps(on, sort_keys=True, default=str).encode()).hexdigest()[:32]
    return folder / "plans" / f"{digest}.json"


def _kept(place: Path | None) -> Figures | None:
    if place is None:
        return None
    try:
        return Figures.read(read_json(place, name=place.name, printable=True))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _keep(place: Path | None, figures: Figures) -> None:
    if place is not None:
        with contextlib.suppress(OSError, EdgediffError):  # a plan needs no cache
            place.parent.mkdir(parents=True, exist_ok=True)
            write_whole(place, json.dumps(figures.written(), indent=1))
