"""Names of the files that pictures go to: patterns filled in, nothing overwritten that was not meant to be."""

from __future__ import annotations

import os
import re
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import final

import click

_DEFAULT = "edgediff-{seed}.png"
_WORDS = ("prompt", "label")  # of a picture, whichever it has
_FIELDS = ("seed", "index", *_WORDS)
_FOREIGN = re.compile(rf"[%\[$](?:{'|'.join(_FIELDS)})[%\]]")  # other programs' signs for the same
_LONGEST = 100  # bytes of a prompt in a name; file systems take 255 for all of it
# What Windows takes for a device, whatever the suffix
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)")


@final
@dataclass(slots=True)
class FileNames:
    """Names for the pictures of one command, each given once.

    Attributes:
        pattern: With ``{seed}``, ``{index}`` (from 0, over all pictures), ``{prompt}`` or ``{label}`` (both: what the
            picture has of the two); ``{{`` is a brace.
        texts: How many prompts or labels there are.
        images: Pictures of each.
        overwrite: Whether a file that is there may be replaced.
        chosen: Whether the user named the file; else a name that is taken gets a number.
    """

    pattern: str
    texts: int
    images: int
    overwrite: bool
    chosen: bool
    _given: set[Path] = field(default_factory=set)

    @classmethod
    def of(cls, output: str | None, *, texts: int, images: int, overwrite: bool) -> FileNames:
        """Read what the user gave: a pattern, a folder, or nothing."""
        chosen = output is not None
        if output is None:
            output = _DEFAULT
        elif output and (output.endswith(("/", os.sep)) or os.path.isdir(output)):  # noqa: PTH112 - Path drops the last slash
            output, chosen = str(Path(output.replace("{", "{{").replace("}", "}}"), _DEFAULT)), False
        if foreign := _FOREIGN.search(output):
            name = foreign[0].strip("%[]$")
            raise click.UsageError(f"-o has {foreign[0]}: expected {{{name}}} where the {name} is to stand")
        names = cls(output, texts, images, overwrite, chosen)
        names._filled(prompt="", seed=0, index=0)  # a pattern that cannot be read is told now
        return names

    def check(self, prompts: Sequence[str], seed: int | None) -> None:
        """Find out before anything is drawn that a file cannot be written.

        Args:
            prompts: All of them.
            seed: Of the first picture; None where it will be random, and a name with it cannot be foreseen.

        Raises:
            ImageError: A place cannot be written, or a file is there and may not be replaced.
        """
        from edgediff_runtimes.errors import ImageError
        from edgediff_runtimes.picture_files import check_place

        check_place(self._filled(prompt=prompts[0], seed=0, index=0))
        first = 0 if seed is None else seed
        for text, prompt in enumerate(prompts):
            start = text * self.images
            for path in self._plain(text, prompt, range(first + start, first + start + self.images)):
                check_place(path)
                foreseen = self.chosen and not (seed is None and "seed" in _fields(self.pattern))
                if foreseen and not self.overwrite and os.path.lexists(path):
                    raise ImageError(
                        f"the image `{path}` is there already: expected a name that is free",
                        hint="--overwrite replaces it; {seed}, {index} or {prompt} in the name make another",
                    )

    def paths(self, text: int, prompt: str, seeds: Sequence[int]) -> list[Path]:
        """The file of each picture of a prompt; one that is taken gets a number behind its name."""
        return [self._free(path) for path in self._plain(text, prompt, seeds)]

    def another(self, path: Path) -> Path:
        """A name like this one that is free."""
        return self._free(path)

    def sheet(self, prompt: str, seed: int) -> Path:
        """The file of the sheet with all pictures."""
        path = self._filled(prompt=prompt, seed=seed, index=0)
        return self._free(path.with_stem(f"{path.stem}-grid"))

    def _plain(self, text: int, prompt: str, seeds: Sequence[int]) -> list[Path]:
        """The names as the pattern says, with numbers where it does not tell pictures apart."""
        told = _fields(self.pattern)
        paths = []
        for image, seed in enumerate(seeds):
            path = self._filled(prompt=prompt, seed=seed, index=text * self.images + image)
            numbers = []
            if not told & {"seed", "index"}:
                numbers += [text] if self.texts > 1 and not told & {*_WORDS} else []
                numbers += [image] if self.images > 1 else []
            paths.append(path.with_stem("-".join(map(str, [path.stem, *numbers]))) if numbers else path)
        return paths

    def _free(self, path: Path) -> Path:
        candidates = (path if i == 1 else path.with_stem(f"{path.stem}_{i}") for i in count(1))
        free = next(one for one in candidates if not self._taken(one))
        self._given.add(free)
        return free

    def _taken(self, path: Path) -> bool:
        return path in self._given or (not self.overwrite and os.path.lexists(path))

    def _filled(self, *, prompt: str, seed: int, index: int) -> Path:
        values: dict[str, int | str] = {"seed": seed, "index": index, **dict.fromkeys(_WORDS, plain_name(prompt))}
        try:
            parts = list(string.Formatter().parse(self.pattern))
            return Path(
                "".join(
                    text + ("" if name is None else format(values[name], spec or "")) for text, name, spec, _ in parts
                )
            )
        except (KeyError, ValueError) as error:
            known = ", ".join(f"{{{name}}}" for name in _FIELDS)
            raise click.UsageError(
                f"-o is {self.pattern!r}: expected no braces but {known} ({{{{ is a brace)"
            ) from error


def plain_name(prompt: str) -> str:
    """A prompt as a part of a file's name on every system: letters and digits of any script, and dashes."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", prompt))
    name = "-".join(words).encode("utf-8", "ignore")[:_LONGEST].decode("utf-8", "ignore").rstrip("-")
    return f"{name}-" if _DEVICES.fullmatch(name) else name or "untitled"


def _fields(pattern: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(pattern) if name}
