"""What an export is asked for with a target, or without one: format, precision and sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from edgediff_exporters.precision import EVERY, FORMATS
from edgediff_exporters.targets import TARGETS, Target, target_of
from edgediff_exporters.trials import TrialOptions
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.plain import as_whole
from edgediff_runtimes.untrusted.bounds import SIDE

_MOST = 8  # sizes: each is a graph of every component
_PAIR = 2


@final
@dataclass(frozen=True, slots=True)
class Wanted:
    """Graphs as they are wanted.

    Attributes:
        format: Their format.
        precision: See ``precision_by_role``.
        target: What they are for; None: any processor.
        sizes: Of their pictures, in pixels; empty: the size that the model recommends, where there is a target.
    """

    format: str
    precision: str | Mapping[str, str]
    target: Target | None = None
    sizes: tuple[tuple[int, int], ...] = ()

    def words(self) -> list[str]:
        """What the command line says of the target."""
        if self.target is None:
            return []
        return ["--target", self.target.name, *(word for w, h in self.sizes for word in ("--size", f"{w}x{h}"))]


def wanted(
    *,
    format: str | None,  # noqa: A002 - the word users know
    precision: str | Mapping[str, str] | None,
    target: str | None,
    sizes: Sequence[tuple[int, int]] | None,
    defaults: Mapping[str, float] | None = None,
    trials: TrialOptions | None = None,
) -> Wanted:
    """Fill in what a target says, and refuse what it cannot have.

    Args:
        format: As it was asked for; None: the target's, or ONNX.
        precision: Likewise; None: the target's first, or fp32.
        target: Its name, or None.
        sizes: Width and height of each size.
        defaults: What the bundle shall recommend.
        trials: What is drawn to measure.

    Raises:
        SettingError: There is no such target, it has no such format, precision or size, or sizes without a target.
        NotInstalledError: What writes the target's graphs is not installed.
    """
    row = target_of(target)
    if row is None:
        if sizes:
            expected, hint = "nothing without a target", "a bundle without `target` draws any size"
            raise SettingError("sizes", got=list(sizes), expected=expected, hint=hint)
        if format not in (None, *FORMATS):
            has = next((f'`target="{each.name}"` has it' for each in TARGETS.values() if each.format == format), None)
            raise SettingError("format", got=format, expected=f"one of {', '.join(FORMATS)}", hint=has)
        return Wanted(format or "onnx", "fp32" if precision is None else precision)
    if format not in (None, row.format):
        raise SettingError("format", got=format, expected=f"`{row.format}`, which is what `{row.name}` takes")
    usual = row.precisions[0]
    named = usual if precision is None else precision
    if isinstance(named, Mapping):
        named = {EVERY: usual, **named}
    for value in named.values() if isinstance(named, Mapping) else [named]:
        if value not in row.precisions:
            expected = f"one of {', '.join(row.precisions)}, which `{row.name}` takes"
            raise SettingError("precision", got=value, expected=expected)
    asked = _sizes(sizes or ())
    if sided := sorted({"width", "height"} & (defaults or {}).keys()):
        expected = f"nothing for `{sided[0]}` beside a target, whose first size the bundle recommends"
        raise SettingError("defaults", got=sided[0], expected=expected)
    if trials is not None and asked:
        check_trial_size(trials, asked)
    return Wanted(row.format, named, row, asked)


def check_trial_size(trials: TrialOptions, sizes: Sequence[tuple[int, int]]) -> None:
    """Refuse pictures to measure with in a size that no graph is for.

    Raises:
        SettingError: They are of one.
    """
    drawn = trials.trial_size
    if drawn is not None and tuple(drawn) not in sizes:
        known = ", ".join(f"{width}x{height}" for width, height in sizes)
        raise SettingError("trial_size", got="x".join(map(str, drawn)), expected=f"one of the sizes {known}")


def _sizes(given: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found: dict[tuple[int, int], None] = {}
    for pair in given:
        sides = [as_whole(side) for side in pair] if isinstance(pair, Sequence) and len(pair) == _PAIR else []
        match sides:
            case [int(width), int(height)] if min(width, height) >= 1 and max(width, height) <= SIDE.most:
                found[width, height] = None
            case _:
                got = "x".join(map(str, sides)) if sides else pair
                raise SettingError(
                    "sizes", got=got, expected=f"pairs of width and height, each from 1 to {SIDE.most:,}"
                )
    if len(found) > _MOST:
        raise SettingError("sizes", got=f"{len(found)} of them", expected=f"at most {_MOST}")
    return tuple(found)
