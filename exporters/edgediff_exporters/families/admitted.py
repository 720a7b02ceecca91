"""What a family takes of a source, looked at before anything is exported: data of each family's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import final

from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families.latents import TINY

_TOKENIZER_CONFIG = "tokenizer_config.json"


@final
@dataclass(frozen=True, slots=True)
class Admitted:
    """What a family takes.

    Attributes:
        classes: The class names of each component that is read.
        optional: Components among them that a source may lack.
        unread: Components that a source may have and nothing reads, each with the reason why that is right.
        leftovers: Patterns of tensors that a source may hold and no module reads, each with the reason why.
        check: Looks at what else must fit, such as channels; raises ``SourceError``.
    """

    classes: Mapping[str, tuple[str, ...]]
    optional: tuple[str, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    leftovers: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Source], None] = field(default=lambda _: None)


def with_tiny(admitted: Admitted) -> Admitted:
    """What a family takes whose autoencoder may be tiny: a tiny one also beside it."""
    tiny = "AutoencoderTiny"
    if tiny not in admitted.classes.get("vae", ()):
        return admitted
    return replace(admitted, classes={**admitted.classes, TINY: (tiny,)}, optional=(*admitted.optional, TINY))


def check_classes(source: Source, admitted: Admitted) -> None:
    """Compare the classes that a source's index and configs name with those that a family takes.

    Raises:
        SourceError: A component is of another class, or is one that nothing reads.
    """
    for component, entry in source.index.items():
        if not isinstance(entry, list) or component in admitted.unread or component == "scheduler":
            continue  # a setting; or looked at by what makes a sampler of it
        name = entry[1] if len(entry) > 1 else None
        if name is None:
            continue
        if component not in admitted.classes:
            raise SourceError(
                f"`{source.name}` has a component `{component}` (`{name}`) that nothing here reads: expected "
                f"{', '.join([*admitted.classes, 'scheduler'])}"
            )
        _check(component, name, admitted.classes[component])
    for component, names in admitted.classes.items():
        if component in admitted.optional and not has(source, component):
            continue
        if (name := _class_in_config(source, component)) is not None:
            _check(component, name, names)


def has(source: Source, component: str) -> bool:
    """Whether a source's index names a component; one that is absent is named with two nulls, or not at all."""
    entry = source.index.get(component)
    return isinstance(entry, list) and any(part is not None for part in entry)


def _check(component: str, name: object, admitted: tuple[str, ...]) -> None:
    if name not in admitted:
        raise SourceError(f"the component `{component}` is of the class `{name}`: expected {' or '.join(admitted)}")


def _class_in_config(source: Source, component: str) -> object:
    """The class that a component's own config names, as diffusers or as transformers writes it; None where none."""
    if component.startswith("tokenizer"):
        return source.read(component, _TOKENIZER_CONFIG).get("tokenizer_class")
    config = source.config(component)
    match config.get("architectures"):
        case [name, *_]:
            return name
    return config.get("_class_name")
