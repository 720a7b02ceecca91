"""A plan: what came out, as an object, as JSON, and as settings."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

from edgediff.bench.trust import BUSY
from edgediff.planning.budget import Budget
from edgediff.planning.candidates import Candidate
from edgediff.planning.choosing import Choice
from edgediff.planning.measuring import Measured, machine
from edgediff.planning.settings_file import PlannedSettings, write_settings
from edgediff.planning.variants import Excluded
from edgediff.targets import check_target, write_whole
from edgediff_runtimes.plain import readable_bytes, readable_seconds
from edgediff_runtimes.quality.measures import MAX_DB

_FORMAT, _FORMAT_VERSION = "edgediff-plan-report", "1.0"


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """Which bundle and settings to take on this machine. ``edgediff.plan`` makes it.

    ``edgediff.load(plan.bundle, **plan.load_options)`` and a call with ``**plan.call_options`` draw as it says.

    Attributes:
        budget: What was asked for.
        choice: The candidate that was chosen, those that were not and why, and what each setting does.
        candidates: All of them.
        measured: The figures that they were worked out from.
        excluded: What was not measured, and why.
    """

    budget: Budget
    choice: Choice
    candidates: tuple[Candidate, ...] = field(repr=False)
    measured: tuple[Measured, ...] = field(repr=False)
    excluded: tuple[Excluded, ...] = ()

    @property
    def bundle(self) -> str:
        """The directory of the bundle to take."""
        return str(self.choice.plan.settings["bundle"]["path"])

    @property
    def load_options(self) -> dict[str, Any]:
        """What ``edgediff.load`` takes."""
        return dict(self.choice.plan.settings["load"])

    @property
    def call_options(self) -> dict[str, Any]:
        """What a call of the pipeline takes."""
        return dict(self.choice.plan.settings["call"])

    def doubts(self) -> list[str]:
        """Why its figures are not to be trusted, in sentences; empty where nothing speaks against them."""
        shares = [one.figures.others_share or 0.0 for one in self.measured]
        busy = [share for share in shares if share > BUSY]
        if not busy:
            return []
        doubt = (
            f"the machine was busy as {len(busy)} of {len(shares)} variants were measured: other programs took up to "
            f"{max(busy):.0%} of its processors; their times are too long, and with `fresh` they are measured anew"
        )
        return [doubt]

    def save_settings(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the settings that ``edgediff run --plan`` reads.

        Args:
            path: A ``.json`` file.
            overwrite: Replace one that is there.

        Raises:
            EdgediffError: It cannot be written, or is there.
        """
        check_target("apply", Path(path), suffixes=(".json",), overwrite=overwrite)
        known = self.choice.plan.settings["bundle"]
        settings = PlannedSettings(
            known["name"], known["path"], known["fingerprint"], self.load_options, self.call_options
        )
        write_settings(settings, Path(path))

    def to_json(self) -> str:
        """All of it: ``docs/plan.md`` says what is in it."""
        choice = self.choice
        values = {
            "format": _FORMAT,
            "format_version": _FORMAT_VERSION,
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": machine(),
            "budget": asdict(self.budget),
            "fits": choice.fits,
            "excess": choice.excess or None,
            "plan": asdict(choice.plan),
            "trades": [asdict(trade) for trade in choice.trades],
            "rejected": [
                {"fits": one.fits, "reason": one.reason, "candidate": asdict(one.candidate)} for one in choice.rejected
            ],
            "excluded": [asdict(one) for one in self.excluded],
            "measured": [
                {
                    "bundle": one.variant.name,
                    "engine": one.variant.case.engine,
                    "device": one.variant.case.device,
                    "execution": one.variant.case.asked,
                    **one.variant.values,
                    "kept": one.kept,
                    "figures": one.figures.written(),
                }
                for one in self.measured
            ],
        }
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def save_json(self, path: str | Path) -> None:
        """Write ``to_json``, whole or not at all."""
        write_whole(Path(path), self.to_json())


def described(one: Candidate) -> str:
    """``emoji, onnxruntime, sequential, 20 steps``: what a candidate is."""
    words = [one.bundle, one.engine]
    words += [] if one.execution is None else [str(one.execution)]
    words += [_worded(name, value) for name, value in one.values.items() if value not in (None, False)]
    return ", ".join(words)


def figures_in_words(one: Candidate) -> str:
    """``2.3 s a picture, 1.1 s a further one, 85 MB, as exact as fp32``: what it is worth."""
    further = f"{readable_seconds(one.next_time_s)} a further one"
    known = f"{readable_seconds(one.time_s)} a picture, {further}, {memory(one)}, {quality(one)}"
    if one.first_time_s is None or one.first_time_s <= one.time_s:
        return known
    first = readable_seconds(one.first_time_s)
    return f"{known}; the very first one on a machine takes {first}, while graphs are compiled"


def memory(one: Candidate) -> str:
    """The memory of a candidate in words."""
    return "memory not known" if one.memory_bytes is None else f"{readable_bytes(one.memory_bytes)} of memory"


def quality(one: Candidate) -> str:
    """The quality of a candidate in words."""
    if one.psnr_db is None:
        return "not proven"
    return "as fp32" if one.psnr_db >= MAX_DB else f"{one.psnr_db:.1f} dB"


def _worded(name: str, value: object) -> str:
    if value is True:
        return name.replace("_", " ")
    return f"{value} {name}" if name == "steps" else str(value) if name == "residency" else f"{name} {value}"
