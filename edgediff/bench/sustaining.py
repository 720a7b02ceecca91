"""Pictures drawn one after the other for minutes: whether the device keeps its pace, and the energy of a picture.

A device that gets hot computes more slowly. Pace is steps per minute; the first minute is what later ones are held to.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypeAlias

from edgediff.bench.energy import joules_between, read_counters

# Of a report: ``[end, seconds, steps, joules]``, see ``sustain``.
Picture: TypeAlias = Sequence[Any]

_MINUTE_S = 60.0


def sustain(job: dict[str, Any]) -> dict[str, Any]:
    """Draw until ``seconds`` are over; the picture that is under way then is finished.

    Args:
        job: ``bundle``, ``placement``, ``prompt``, ``options`` as of every picture, and ``seconds``.

    Returns:
        ``pictures``: of each ``[end, seconds, steps, joules]``, where ``end`` is seconds since the first one began,
        after a picture that loads everything and does not count; joules are None where the system does not tell them.
    """
    from edgediff.api import load  # noqa: PLC0415 - the measuring process imports what its job needs
    from edgediff_runtimes.quality.pictures import with_pictures  # noqa: PLC0415 - as above

    pictures: list[list[float | None]] = []
    with load(job["bundle"], **job["placement"]) as pipeline:
        manifest = pipeline.bundle.manifest
        options = with_pictures(manifest.recipe, manifest.defaults, job["options"])
        pipeline(job["prompt"], **options)
        began = time.perf_counter()
        while not pictures or time.perf_counter() - began < job["seconds"]:
            energy, start = read_counters(), time.perf_counter()
            steps = len(pipeline(job["prompt"], **options).timings.steps_s)
            end = time.perf_counter()
            pictures.append([end - began, end - start, steps, joules_between(energy, read_counters())])
    return {"pictures": pictures}


def rows_by_minute(pictures: Sequence[Picture]) -> list[tuple[str, ...]]:
    """A row a minute, in text; a last one of less than half a minute belongs to the one before."""
    found = _minutes(pictures)
    first = found[0]["pace"]
    told: list[tuple[str, ...]] = []
    for minute in found:
        joules = minute["joules"]
        told.append(
            (
                f"{minute['from']:.0f} s",
                f"{minute['to']:.0f} s",
                str(minute["pictures"]),
                f"{minute['pace']:.3g}",
                f"{minute['pace'] / first:.2f}",
                "not available" if joules is None else f"{joules:.3g} J",
            )
        )
    return told


def paces(pictures: Sequence[Picture]) -> list[tuple[float, float]]:
    """Steps per minute of each picture, by the seconds at which it was done."""
    return [(end, _MINUTE_S * steps / seconds) for end, seconds, steps, _ in pictures]


def _minutes(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    groups: list[list[Picture]] = [[]]
    last = pictures[-1][0]
    for picture in pictures:
        begins = picture[0] - picture[1]
        # Together with what remains, where that is too short for a row of its own.
        if groups[-1] and begins >= len(groups) * _MINUTE_S and last - len(groups) * _MINUTE_S >= _MINUTE_S / 2:
            groups.append([])
        groups[-1].append(picture)
    return [_minute(group) for group in groups]


def _minute(group: Sequence[Picture]) -> dict[str, Any]:
    seconds = sum(one[1] for one in group)
    joules = [one[3] for one in group if one[3] is not None]
    return {
        "from": group[0][0] - group[0][1],
        "to": group[-1][0],
        "pictures": len(group),
        "pace": _MINUTE_S * sum(one[2] for one in group) / seconds,
        "joules": sum(joules) / len(group) if len(joules) == len(group) else None,
    }
