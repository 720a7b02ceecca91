"""``cpu``, ``unet=gpu`` on the command line: one value for all components, or one for each."""

from __future__ import annotations

from collections.abc import Sequence

import click


def by_component(option: str, values: Sequence[str], *, default: str | None = None) -> str | dict[str, str] | None:
    """What an option says that may be given once for all components and once for each.

    Args:
        option: Its name, for the sentence of an error.
        values: As it was given; several may stand in one, with commas between them.
        default: Where nothing is said of all components.

    Returns:
        One value for all; or values by component, with ``*`` for all others where there is a value for them.
    """
    items = [item for value in values for item in value.split(",")]
    common = [item for item in items if "=" not in item]
    if len(common) > 1:
        raise click.UsageError(f"{option} names {' and '.join(common)} for all components: expected one")
    pairs = [item.split("=", 1) for item in items if "=" in item]
    special = dict(pairs)
    if len(special) < len(pairs):
        raise click.UsageError(f"{option} names a component twice: {' '.join('='.join(pair) for pair in pairs)}")
    others = common[0] if common else default
    if not special:
        return others
    return special if others is None else {"*": others, **special}


def each_by_component(
    _ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[str | dict[str, str], ...]:
    """The same for an option whose every value is a case of its own."""
    found = (by_component(param.opts[0], [value]) for value in values)
    return tuple(value for value in found if value is not None)


def components(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """``vae=DIR``: where a component comes from; a path may hold commas."""
    pairs = [value.partition("=") for value in values]
    for role, _, source in pairs:
        if not (role and source):
            raise click.BadParameter(f"expected {param.metavar} such as vae=./another-vae", ctx, param)
    found = {role: source for role, _, source in pairs}
    if len(found) < len(pairs):
        raise click.BadParameter("a component is named twice", ctx, param)
    return found
