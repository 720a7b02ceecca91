"""What was measured of a variant, in the figures from which pictures are worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, final

from edgediff_runtimes.fields import Fields


@final
@dataclass(frozen=True, slots=True)
class Part:
    """One graph of a variant: seconds to load it, of its first call and of a later one, and its private peak."""

    load_s: float
    first_call_s: float
    call_s: float
    peak_bytes: int | None

    @classmethod
    def read(cls, fields: Fields) -> Part:
        """From JSON values; see ``Figures.read``."""
        return cls(
            load_s=_seconds(fields, "load_s"),
            first_call_s=_seconds(fields, "first_call_s"),
            call_s=_seconds(fields, "call_s"),
            peak_bytes=_bytes(fields, "peak_bytes"),
        )


@final
@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of a variant; medians over the rounds, but for memory, which is the most of any.

    Attributes:
        load_s: Loading all graphs, once what the engine keeps of them is there.
        first_load_s: Loading all graphs for the first time on this machine; None where the engine keeps nothing.
        around_s: All that is neither loading nor steps: text, the result, our own work.
        first_step_s: The first step.
        step_s: A later step.
        own_step_s: Of it, what is not spent in the network.
        memory_bytes: Private memory of the process at its peak; None where the system does not tell.
        psnr_db: Where pictures are computed in tiles, their distance from the same ones computed whole.
        executions: What floats were computed in, by role.
        parts: By role.
        rounds: Processes that measured.
        others_share: Share of the machine's processors, 0 to 1, that other programs took meanwhile; None: not known.
    """

    load_s: float
    first_load_s: float | None
    around_s: float
    first_step_s: float
    step_s: float
    own_step_s: float
    memory_bytes: int | None
    psnr_db: float | None
    executions: dict[str, str]
    parts: dict[str, Part]
    rounds: int
    others_share: float | None

    def written(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def read(cls, fields: Fields) -> Figures:
        """From what ``written`` gave.

        Raises:
            ManifestError: These are other values.
        """
        executions, parts = fields.fields("executions"), fields.fields("parts")
        if not parts.values or not parts.values.keys() <= executions.values.keys():
            raise fields.fail("parts", "components among the `executions`")
        first_step_s, load_s, around_s = (_seconds(fields, name) for name in ("first_step_s", "load_s", "around_s"))
        if first_step_s == 0:
            raise fields.fail("first_step_s", "a time above 0")
        return cls(
            load_s=load_s,
            first_load_s=None if fields.values.get("first_load_s") is None else _seconds(fields, "first_load_s"),
            around_s=around_s,
            first_step_s=first_step_s,
            step_s=_seconds(fields, "step_s"),
            own_step_s=_seconds(fields, "own_step_s"),
            memory_bytes=_bytes(fields, "memory_bytes"),
            psnr_db=fields.optional_number("psnr_db"),
            executions={role: executions.string(role) for role in executions.values},
            parts={role: Part.read(parts.fields(role)) for role in parts.values},
            rounds=fields.integer("rounds", minimum=1),
            others_share=fields.optional_number("others_share"),
        )


def figures_of(
    rounds: Sequence[dict[str, Any]],
    *,
    network: set[str],
    first_load_s: float | None,
    others_share: float | None,
) -> Figures:
    """The figures of at least one round.

    Args:
        rounds: What ``bench.short_run`` gave, a process each.
        network: Roles of the graphs that are called at every step.
        first_load_s: See ``Figures``.
        others_share: See ``Figures``.
    """
    firsts = [one["runs"][0] for one in rounds]
    first = firsts[0]
    return Figures(
        load_s=median(sum(run["loads_s"].values()) for run in firsts),
        first_load_s=first_load_s,
        around_s=max(
            median(run["total_s"] - sum(run["loads_s"].values()) - sum(run["steps_s"]) for run in firsts), 0.0
        ),
        first_step_s=median(run["steps_s"][0] for run in firsts),
        step_s=median(seconds for run in firsts for seconds in _later(run["steps_s"])),
        own_step_s=median(
            max(sum(run["steps_s"]) - sum(sum(run["calls_s"][role]) for role in network & run["calls_s"].keys()), 0.0)
            / len(run["steps_s"])
            for run in firsts
        ),
        memory_bytes=max((_peak(run["laps"]) for run in firsts if run["laps"]), default=None),
        psnr_db=rounds[0]["runs"][-1]["psnr_db"],
        executions=first["executions"],
        parts={role: _part(role, firsts) for role in first["calls_s"]},
        rounds=len(rounds),
        others_share=others_share,
    )


def _part(role: str, runs: Sequence[dict[str, Any]]) -> Part:
    calls = [run["calls_s"][role] for run in runs]
    peaks = [lap["peak"] for run in runs for lap in run["laps"] if lap["role"] == role]
    return Part(
        load_s=median(run["loads_s"][role] for run in runs),
        first_call_s=median(one[0] for one in calls),
        call_s=median(seconds for one in calls for seconds in _later(one)),
        peak_bytes=max(peaks, default=None),
    )


def _peak(laps: Sequence[dict[str, Any]]) -> int:
    """The most bytes of a picture, and where graphs stay, of one more: each call takes its own beside all that stays.

    What a graph takes only while it is called is what its use has at its peak beyond its end.
    """
    first = max(int(lap["peak"]) for lap in laps)
    if any(lap["what"] == "free" for lap in laps):
        return first
    passing = max((lap["peak"] - lap["end"] for lap in laps if lap["what"] == "use"), default=0)
    return max(first, int(laps[-1]["end"] + passing))


def _seconds(fields: Fields, name: str) -> float:
    found = fields.number(name)
    if found < 0:
        raise fields.fail(name, "a time that is not negative")
    return found


def _bytes(fields: Fields, name: str) -> int | None:
    return None if fields.values.get(name) is None else fields.integer(name, minimum=1)


def _later(seconds: Sequence[float]) -> Sequence[float]:
    """All but the first, where there are more."""
    return seconds[1:] or seconds
