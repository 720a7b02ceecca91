"""Where the pictures of ``edgediff run`` go: files, a sheet of all of them, stdout; and the report on them."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import click

from edgediff.cli.file_names import FileNames
from edgediff.cli.streams import check_stdout, write_bytes

if TYPE_CHECKING:
    from PIL import Image

    from edgediff import Result

STDOUT = "-"


@final
@dataclass(slots=True)
class Writer:
    """Writes results one after the other.

    Attributes:
        names: Of the files; None where a PNG goes to stdout.
        words: Each prompt or label; empty where there is neither.
        grid: Whether there is to be a sheet of all pictures.
        as_json: Whether a report is printed in place of the paths.
    """

    names: FileNames | None
    words: list[str]
    grid: bool
    as_json: bool
    _drawn: list[tuple[Result, Image.Image, str]] = field(default_factory=list)
    _reports: list[dict[str, Any]] = field(default_factory=list)

    def add(self, text: int, result: Result) -> None:
        """Write the pictures of one prompt or label."""
        files = [] if self.names is None else self._save(self.names, text, result)
        if self.names is None and not self.grid:
            _to_stdout(result.images[0], result.metadata(0))
        if self.grid:
            captions = [": ".join(filter(None, (str(seed), self.words[text]))) for seed in result.seeds]
            self._drawn += zip([result] * len(captions), result.images, captions, strict=True)
        self._reports.append(drawn(result, files))
        self._tell(files)

    def add_sheet(self, sheet: Image.Image, metadata: dict[str, Any], report: dict[str, Any], *, seed: int) -> None:
        """Write one sheet in the place of pictures, and print the report at once."""
        if self.names is None:
            _to_stdout(sheet, metadata)
            return
        [path] = self.names.paths(0, self.words[0], [seed]) if self.names.chosen else [self.names.sheet("", seed)]
        path = _save_new(self.names, sheet, path, metadata)
        self._tell([path])
        if self.as_json:
            click.echo(json.dumps({"file": str(path), **report}, indent=2))

    def finish(self) -> None:
        """Write the sheet and the report."""
        if self.grid and self._drawn:
            self._write_sheet()
        if self.as_json:
            click.echo(json.dumps(self._reports, indent=2))

    def _save(self, names: FileNames, text: int, result: Result) -> list[Path]:
        files = names.paths(text, self.words[text], result.seeds)
        return [
            _save_new(names, image, file, result.metadata(index))
            for index, (image, file) in enumerate(zip(result.images, files, strict=True))
        ]

    def _write_sheet(self) -> None:
        from edgediff.inspection.contact_sheet import contact_sheet
        from edgediff_runtimes.picture_files import save_image

        first = self._drawn[0][0]
        sheet = contact_sheet([(image, caption) for _, image, caption in self._drawn])
        if self.names is None:
            _to_stdout(sheet, None)
            return
        path = self.names.sheet(self.words[0], first.seed)
        save_image(sheet, path, overwrite=self.names.overwrite)
        self._reports[-1]["sheet"] = str(path)
        self._tell([path])

    def _tell(self, files: list[Path]) -> None:
        if files and not self.as_json:
            click.echo("\n".join(map(str, files)))


def writer(
    output: str | None,
    words: list[str],
    options: dict[str, Any],
    *,
    overwrite: bool,
    grid: bool,
    as_json: bool,
) -> Writer:
    """Decide where pictures go, and find out before any is drawn that they cannot.

    Args:
        output: What ``-o`` says.
        words: Each prompt or label that will be drawn.
        options: What was asked of the run; ``seed`` and ``images`` are looked at.
        overwrite: As on the command line.
        grid: As on the command line.
        as_json: As on the command line.

    Raises:
        ImageError: A place cannot be written, or a file is there and may not be replaced.
        SettingError: ``images`` is out of range.
    """
    from edgediff_runtimes.settings import RANDOM_SEED
    from edgediff_runtimes.settings.checks import at_least_one
    from edgediff_runtimes.untrusted.bounds import IMAGES

    images = at_least_one("images", options.get("images", 1), IMAGES)  # before each of them gets a name
    if output != STDOUT:
        names = FileNames.of(output, texts=len(words), images=images, overwrite=overwrite)
        seed = options.get("seed")
        names.check(words, None if seed == RANDOM_SEED else seed)
        return Writer(names, words, grid, as_json)
    if as_json:
        raise click.UsageError("-o - and --json both write to stdout: expected one of them")
    check_stdout("-o -")
    if sys.stdout.isatty():
        raise click.UsageError("-o - writes a PNG to stdout, which is a terminal: expected a pipe, or `> FILE.png`")
    if len(words) * images > 1 and not grid:
        raise click.UsageError(f"-o - writes one picture, got {len(words) * images}: --grid puts them on one sheet")
    return Writer(None, words, grid, as_json)


def _save_new(names: FileNames, image: Image.Image, file: Path, metadata: dict[str, Any]) -> Path:
    """Write a picture, under another name where a file appeared while it was drawn."""
    from edgediff_runtimes.picture_files import save_image

    while not names.overwrite and os.path.lexists(file):
        free = names.another(file)
        warnings.warn(f"{file} is there by now: the picture goes to {free}", stacklevel=2)
        file = free
    save_image(image, file, metadata=metadata, overwrite=names.overwrite)
    return file


def _to_stdout(image: Image.Image, metadata: dict[str, Any] | None) -> None:
    from edgediff_runtimes.picture_files import encode_image

    write_bytes(encode_image(image, "PNG", metadata=metadata))


def drawn(result: Result, files: list[Path]) -> dict[str, Any]:
    """What ``--json`` tells of a result."""
    return {
        "files": [str(file) for file in files],
        "seeds": result.seeds,
        "settings": dataclasses.asdict(result.settings),
        "timings": dataclasses.asdict(result.timings),
        "computed": {role: dataclasses.asdict(how) for role, how in result.computed.items()},
        "residency": result.residency,
        **({} if result.reuse is None else {"reuse": dataclasses.asdict(result.reuse)}),
        **({"loras": [dataclasses.asdict(lora) for lora in result.loras]} if result.loras else {}),
        **({"embeddings": [dataclasses.asdict(one) for one in result.embeddings]} if result.embeddings else {}),
    }
