"""Which precision each component is exported in; the precisions themselves are rows in the runtime's ``precisions``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.precisions import PRECISIONS, Duty, precision_of

FORMATS = ("onnx", "openvino")  # what graphs that take any shape are in; a target may have another
EVERY = "*"


def precision_by_role(
    precision: str | Mapping[str, str], duties: Mapping[str, Duty], *, format_: str = "onnx"
) -> dict[str, str]:
    """The precision of each component.

    Args:
        precision: One for all, or by component; ``*`` stands for those not named, which else get ``fp32``. One for all
            means what suits each component, see ``Precision.suited``.
        duties: The components there are, and what each is there for.
        format_: The graphs' format.

    Raises:
        SettingError: A precision or a component is unknown, or the format has no such precision.
    """
    named = {EVERY: precision} if isinstance(precision, str) else dict(precision)
    check_precisions(named, format_=format_)
    common = named.pop(EVERY, "fp32")
    for role, value in named.items():
        if role not in duties:
            raise SettingError("precision", got=f"{role}={value}", expected=f"components among {', '.join(duties)}")
    suited = PRECISIONS[common].suited
    chosen = {role: named.get(role, suited.get(duty, common)) for role, duty in duties.items()}
    for role, value in chosen.items():
        if PRECISIONS[value].calibrated and duties[role] == "tiny":
            expected = f"{suited.get('tiny', 'w8')}, because no picture that calibrates is decoded with it"
            raise SettingError("precision", got=f"{role}={value}", expected=expected)
        if PRECISIONS[value].searched and duties[role] != "network":
            hint = "`int8` is what a component has that no search is for"
            networks = ", ".join(f"`{other}`" for other, duty in duties.items() if duty == "network")
            raise SettingError(
                "precision", got=f"{role}={value}", expected=f"`{value}` for {networks} alone", hint=hint
            )
    return chosen


def check_precisions(precisions: Mapping[str, str], *, format_: str) -> None:
    """Refuse precisions that there are not, whatever the components.

    Args:
        precisions: By component, or by ``*``.
        format_: The graphs' format.

    Raises:
        SettingError: A precision is unknown, or the format has no such precision.
    """
    for value in precisions.values():
        if value not in PRECISIONS:
            raise SettingError("precision", got=value, expected=f"one of {', '.join(PRECISIONS)}")
        row = PRECISIONS[value]
        if format_ not in row.formats:
            possible = ", ".join(name for name, other in PRECISIONS.items() if format_ in other.formats)
            raise SettingError(
                "precision", got=value, expected=f"one of {possible}, which are those of `{format_}`", hint=row.hint
            )


def straight(format_: str, precisions: Iterable[str]) -> bool:
    """Whether such graphs are written from the model alone; all others are made from the graphs in fp32."""
    return format_ == "onnx" and all(precision_of(name).straight for name in precisions)


def calibrated(precisions: Iterable[str]) -> bool:
    """Whether one of them needs calls to calibrate with."""
    return any(precision_of(name).calibrated for name in precisions)


def searched(precisions: Iterable[str]) -> bool:
    """Whether one of them is found by a search."""
    return any(precision_of(name).searched for name in precisions)


def tools(format_: str, precisions: Iterable[str]) -> tuple[str, ...]:
    """Packages that make such graphs, beside those that take part in every export."""
    if format_ != "openvino":
        return ()
    return ("openvino", "openvino-tokenizers", *(("nncf",) if calibrated(precisions) else ()))


def precision_options(precision: str | Mapping[str, str]) -> list[str]:
    """The same as options of the command."""
    if isinstance(precision, str):
        return ["--precision", precision]
    texts = [value if role == EVERY else f"{role}={value}" for role, value in precision.items()]
    return [word for text in texts for word in ("--precision", text)]
