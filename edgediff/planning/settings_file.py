"""The file that ``edgediff plan --apply`` writes and ``edgediff run --plan`` reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from edgediff.targets import write_whole
from edgediff_runtimes.errors import ComponentFileError, EdgediffError, SettingError
from edgediff_runtimes.untrusted.documents import read_json

FORMAT, FORMAT_VERSION = "edgediff-plan", "1.0"
_LOAD = ("device", "engine", "execution", "threads", "residency", "low_memory", "split_guidance")


@final
@dataclass(frozen=True, slots=True)
class PlannedSettings:
    """What a plan says of a run.

    Attributes:
        bundle: The bundle's name.
        path: Where it was.
        fingerprint: Its fingerprint, see ``Bundle.fingerprint``.
        load: What ``edgediff.load`` takes.
        call: What a call of the pipeline takes.
    """

    bundle: str
    path: str
    fingerprint: str
    load: dict[str, Any]
    call: dict[str, Any]

    def check(self, fingerprint: str, *, bundle: str) -> None:
        """Refuse another bundle than the one that was planned for.

        Raises:
            SettingError: It is another, or was changed since.
        """
        if fingerprint != self.fingerprint:
            raise SettingError(
                "plan",
                got=f"of {self.bundle} ({self.fingerprint})",
                expected=f"a plan of {bundle} ({fingerprint}): what was measured of one bundle says nothing of another",
                hint="`edgediff.plan(bundle)` makes one",
            )


def write_settings(settings: PlannedSettings, path: Path) -> None:
    """Write the file, whole or not at all."""
    values = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "bundle": {"name": settings.bundle, "path": settings.path, "fingerprint": settings.fingerprint},
        "load": settings.load,
        "call": settings.call,
    }
    write_whole(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def read_settings(path: Path) -> PlannedSettings:
    """Read the file.

    Raises:
        SettingError: It is none, or of a version that this edgediff does not read.
    """
    try:
        values = read_json(path, name=str(path), printable=True)
    except ComponentFileError as error:
        raise _refused(path, got=f"which {error.problem}") from error
    if values.get("format") != FORMAT:
        raise _refused(path, got="another file")
    if str(values.get("format_version")).partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise _refused(path, got=f"of version {values.get('format_version')}")
    try:
        bundle, load, call = values["bundle"], dict(values["load"]), dict(values["call"])
        name, place, fingerprint = (str(bundle[key]) for key in ("name", "path", "fingerprint"))
    except (KeyError, TypeError, ValueError) as error:
        raise _refused(path, got="without its settings") from error
    if unknown := load.keys() - {*_LOAD}:
        raise _refused(path, got=f"with `{min(unknown)}`")
    return PlannedSettings(name, place, fingerprint, load, call)


def _refused(path: Path, *, got: str) -> EdgediffError:
    expected = f"a plan of version {FORMAT_VERSION}, as `edgediff plan --apply` writes it"
    return SettingError("plan", got=f"{path}, {got}", expected=expected)
