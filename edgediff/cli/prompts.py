"""What ``edgediff run`` is asked to draw: a prompt, a file of prompts, stdin, labels, or a picture to repeat."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import click

if TYPE_CHECKING:
    from edgediff_runtimes.settings import Options

STDIN = "-"
_MOST_BYTES = 16_000_000  # of prompts: what is longer is no list of prompts, and may never end


@final
@dataclass(frozen=True, slots=True)
class Subject:
    """What a picture, or each of ``--images``, is to show: a prompt or a label, or neither where a model takes none."""

    prompt: str | None = None
    label: str | None = None

    @property
    def words(self) -> str:
        """What stands for it in names and captions."""
        return self.prompt or self.label or ""


def subjects(prompts: Sequence[str | None], labels: Sequence[object]) -> list[Subject]:
    """Each prompt with each label; labels alone where there is no prompt."""
    names = [None] if not labels else [str(label) for label in labels]
    return [Subject(prompt, label) for prompt in prompts for label in names]


def one_prompt(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> str | None:  # noqa: ARG001 - click's signature
    """The PROMPT of a command line, or None; several words are one that lost its quotes."""
    if len(words) > 1:
        quoted = " ".join(words)
        raise click.UsageError(f'expected one PROMPT, got {len(words)} words: put it in quotes, as in "{quoted}"', ctx)
    return words[0] if words else None


# Pictures beside what a run starts from, by option: the setting that there is only with them.
_BESIDE = {"control_image": "control_scale", "prompt_image": "prompt_image_scale"}
NO_PROMPT = "expected a PROMPT, or --prompts FILE, or --repeat PICTURE"


def texts(prompt: str | None, prompts: Path | None) -> list[str | None]:
    """The prompts to draw one by one; ``-`` is all of stdin as one prompt, ``--prompts -`` one for each of its lines.

    Without any it is None, once: there are models that take no text.

    Raises:
        SettingError: The file cannot be read, or there is nothing in it.
    """
    if prompt is not None and prompts is not None:
        raise click.UsageError("expected a PROMPT or --prompts FILE: got both")
    if prompts is not None:
        return _filled("prompts", str(prompts), [line.strip() for line in _read("prompts", str(prompts)).splitlines()])
    if prompt == STDIN:
        return _filled("prompt", STDIN, [_read("prompt", STDIN).strip()])
    return [prompt]


def repeated(
    repeat: Path, prompt: str | None, prompts: Path | None, options: Options
) -> tuple[list[str | None], Options, str | None]:
    """Prompt, options and bundle of a picture of ours; only the pictures that it was drawn from are given beside it."""
    from edgediff_runtimes.picture_files import read_metadata
    from edgediff_runtimes.recipe.wires import PICTURES, SEVERAL
    from edgediff_runtimes.settings.resolve import options_of, pictures_of
    from edgediff_runtimes.settings.several import told_apart

    if prompt is not None or prompts is not None or options.keys() - {*PICTURES, *_BESIDE}:
        raise click.UsageError(
            "--repeat takes its settings from the file: expected nothing else that says what to draw but the pictures "
            "that it was drawn from, such as --image and --mask"
        )
    metadata = read_metadata(repeat)
    if "grid" in metadata:
        raise click.UsageError(
            f"{repeat} is a sheet of `edgediff grid`: expected one picture; `inspect` tells its cells"
        )
    text, recorded = options_of(metadata.get("settings"))
    beside = (name for name, told in _BESIDE.items() if told in recorded)
    needed, given = {*pictures_of(metadata["settings"]), *beside}, told_apart(options)
    for name in (*PICTURES, *_BESIDE):
        if (name in given) != (name in needed):
            lacks = "needs" if name in needed else "was drawn without"
            several = f"{lacks} so many --image" if name in SEVERAL[1:] else f"{lacks} --{name.replace('_', '-')}"
            raise click.UsageError(f"{repeat} {several}")
    return [text], {**recorded, **options}, metadata.get("fingerprint")


def _filled(setting: str, place: str, lines: list[str]) -> list[str | None]:
    from edgediff_runtimes.errors import SettingError

    found: list[str | None] = [line for line in lines if line]
    if not found:
        raise SettingError(setting, got=place, expected="a file with at least one prompt, one a line")
    return found


def _read(setting: str, place: str) -> str:
    from edgediff_runtimes.errors import SettingError

    if place == STDIN and sys.stdin is None:
        raise SettingError(setting, got=place, expected="a prompt on stdin, which is closed")
    try:
        if place == STDIN:
            data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with Path(place).open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:  # bytes that are no UTF-8, a path with a zero byte
        raise SettingError(setting, got=place, expected=f"a readable text file ({error})") from error
    if len(data) > _MOST_BYTES:
        raise SettingError(setting, got=place, expected=f"a text of at most {_MOST_BYTES:,} bytes")
    return text
