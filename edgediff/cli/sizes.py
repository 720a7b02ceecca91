"""``512x512``, ``0,64``, ``left=64``, ``0.3,5``, ``2GB``, and a word or something else on the command line."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import click

_DIGITS = 100  # Python itself reads numbers of no more than 4,300


def size(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[int, int] | None:
    """Width and height of one option; None where it was not given."""
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise click.BadParameter(f"{text!r} is not a size: expected WIDTHxHEIGHT such as 512x512", ctx, param)
    return int(width), int(height)


def sizes(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Width and height of each time that an option was given."""
    found = (size(ctx, param, text) for text in texts)
    return tuple(pair for pair in found if pair is not None)


def place(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[int, int] | None:
    """Left and top of one option; None where it was not given."""
    if text is None:
        return None
    left, _, top = text.partition(",")
    if not (left.isdecimal() and top.isdecimal()):
        raise click.BadParameter(f"{text!r} is no place: expected LEFT,TOP such as 0,64", ctx, param)
    return int(left), int(top)


def sides(ctx: click.Context, param: click.Parameter, text: str | None) -> dict[str, int] | None:
    """Pixels by side, whose names the API looks at; None where they were not given."""
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    pixels = {name.strip(): int(count) for name, _, count in pairs if count.isdecimal() and len(count) < _DIGITS}
    if len(pixels) < len(pairs):
        raise click.BadParameter(
            f"{text!r}: expected SIDE=PIXELS, each side once, such as left=256,top=128", ctx, param
        )
    return pixels


def levels(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[float, float | None] | None:
    """Two noise levels, None for a higher one that is infinite; None where they were not given."""
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low, high = math.nan, math.nan
    if not 0 <= low < high:
        message = f"{text!r} is no interval: expected LOW,HIGH such as 0.3,5 or 0.3,inf, with LOW from 0 and below HIGH"
        raise click.BadParameter(message, ctx, param)
    return low, None if high == math.inf else high


def byte_count(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    """A number of bytes above 0; None where it was not given."""
    from edgediff_runtimes.plain import BYTES_EXPECTED, as_bytes

    count = None if text is None else as_bytes(text)
    if text is not None and not count:
        raise click.BadParameter(f"{text!r} is no amount of memory: expected {BYTES_EXPECTED}", ctx, param)
    return count


def duration(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """A time in seconds; None where it was not given."""
    from edgediff_runtimes.plain import SECONDS_EXPECTED, as_seconds

    seconds = None if text is None else as_seconds(text)
    if text is not None and seconds is None:
        raise click.BadParameter(f"{text!r} is no such time: expected {SECONDS_EXPECTED}", ctx, param)
    return seconds


def number(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """A whole number where it is written as one, else a float; None where it was not given."""
    if text is None:
        return None
    whole = number_or_word(ctx, param, text)
    if isinstance(whole, int):
        return whole
    try:
        return float(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a number", ctx, param) from error


def file_or_word(word: str) -> Callable[[click.Context, click.Parameter, str | None], Path | str | None]:
    """What reads an option that is a word or else a file."""

    def read(ctx: click.Context, param: click.Parameter, text: str | None) -> Path | str | None:  # noqa: ARG001 - click's signature
        return text if text in (None, word) else Path(text)

    return read


def number_or_word(ctx: click.Context, param: click.Parameter, text: str | None) -> int | str | None:  # noqa: ARG001 - click's signature
    """A whole number where it is one, else the word, which the API looks at; None where it was not given."""
    is_number = text is not None and text.removeprefix("-").isdecimal() and len(text) < _DIGITS
    return int(text) if text is not None and is_number else text
