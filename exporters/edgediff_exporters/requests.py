"""What can be refused of an export before PyTorch is imported, which takes seconds: paths, names and numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from edgediff_exporters.precision import EVERY, calibrated, check_precisions, searched
from edgediff_exporters.staging import check_target
from edgediff_exporters.targets.request import wanted
from edgediff_exporters.trials import TrialOptions, plan_trials
from edgediff_runtimes.bundle import Defaults
from edgediff_runtimes.errors import ManifestError, SettingError, SourceError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.hub import is_hub_name
from edgediff_runtimes.plain import as_finite, as_whole


def check_request(
    source: str | Path,
    bundle: str | Path,
    *,
    format: str | None,  # noqa: A002 - the word users know; the builtin is not needed here
    precision: str | Mapping[str, str] | None,
    defaults: Mapping[str, float] | None,
    trials: TrialOptions,
    overwrite: bool,
    target: str | None = None,
    sizes: Sequence[tuple[int, int]] | None = None,
) -> None:
    """Refuse what no model could be exported with; ``export`` looks again, at the model as well.

    Args:
        source: As in ``export``.
        bundle: As in ``export``.
        format: As in ``export``.
        precision: As in ``export``.
        defaults: As in ``export``.
        trials: As in ``export``.
        overwrite: As in ``export``.
        target: As in ``export``.
        sizes: As in ``export``.

    Raises:
        SettingError: The format, a precision, a default or an option of the trials cannot be applied.
        NotInstalledError: What writes the target's graphs is not installed.
        SourceError: There is no such source.
        TargetError: The bundle cannot be written there.
    """
    graphs = wanted(format=format, precision=precision, target=target, sizes=sizes, defaults=defaults, trials=trials)
    precisions = {EVERY: graphs.precision} if isinstance(graphs.precision, str) else dict(graphs.precision)
    check_precisions(precisions, format_=graphs.format)
    # Components that are not named are in the common precision, or in one that suits them and asks for less.
    used = {precisions.get(EVERY, "fp32"), *precisions.values()}
    measured = graphs.format != "onnx" or used != {"fp32"}
    plan_trials(trials, calibrated=calibrated(used) or searched(used), measured=measured, searched=searched(used))
    check_defaults(defaults or {})
    check_source(source)
    check_target(Path(bundle).absolute(), overwrite=overwrite)


def check_defaults(given: Mapping[str, float]) -> dict[str, Any]:
    """The numbers that a bundle shall recommend, as Python's own.

    Raises:
        SettingError: There is no such number, or it has an impossible value.
    """
    known = [field.name for field in fields(Defaults)]
    if unknown := sorted(given.keys() - {*known}):
        raise SettingError("defaults", got=unknown[0], expected=f"one of {', '.join(known)}")
    numbers: dict[str, Any] = {}
    for name, value in given.items():
        whole = as_whole(value)
        number = as_finite(value) if whole is None else whole
        try:
            read = Defaults.read(Fields({"steps": 1, "guidance": 1.0, name: value if number is None else number}))
        except ManifestError as error:
            raise SettingError(f"defaults.{name}", got=value, expected=error.expected) from error
        numbers[name] = getattr(read, name)
        if numbers[name] is None:
            raise SettingError(f"defaults.{name}", got=value, expected="a whole number of at least 1")
    return numbers


def check_source(source: str | Path) -> None:
    """Refuse what is neither a file, nor a directory, nor the name of a model on the hub.

    Raises:
        SourceError: So it is.
    """
    path = Path(source).expanduser()
    if os.path.exists(path) and not (path.is_file() or path.is_dir()):  # noqa: PTH110 - Path's own raises for a long name
        raise SourceError(
            f"`{path.name}` is a pipe or a device: expected a directory, a `.safetensors` file or a hub name"
        )
    if not os.path.exists(path) and not is_hub_name(str(source)):  # noqa: PTH110 - as above
        raise SourceError(
            f"`{path.name}` is not there: expected a directory, a `.safetensors` file or a hub name like `owner/model`"
        )
