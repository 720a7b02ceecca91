"""``--lora`` and ``--embedding``: files that change the model, and where those of a picture are found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgediff.cli import completion
from edgediff.cli.command import Section


def scaled_files(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[tuple[Path, float]]:
    """``style.safetensors=0.8``: a file and a scale; a file's name may hold signs of equality."""
    found = []
    for value in values:
        file, _, scale = value.rpartition("=")
        try:
            found.append((Path(file), float(scale)) if file else (Path(value), 1.0))
        except ValueError:
            if not Path(value).exists():
                raise click.BadParameter(
                    f"expected {param.metavar} such as style.safetensors=0.8: got {value!r}", ctx, param
                ) from None
            found.append((Path(value), 1.0))
    return found


def lora_option(what: str) -> click.Option:
    """``--lora``, with what is done with the files."""
    return click.Option(
        ["--lora", "loras"],
        multiple=True,
        metavar="FILE[=SCALE]",
        callback=scaled_files,
        shell_complete=completion.files,
        help=f"{what}, in the strength SCALE (1 where it is left out); repeatable.",
    )


def embedding_option(what: str) -> click.Option:
    """``--embedding``, likewise."""
    return click.Option(
        ["--embedding", "embeddings"],
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help=f"{what}; repeatable.",
    )


ADAPTERS = Section(
    "What changes the model",
    (
        lora_option("Draw with a LoRA"),
        embedding_option("Know a word of textual inversion: what the file calls it, or the file's name"),
    ),
)


def repeated_adapters(repeat: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The LoRAs and embeddings that a picture was drawn with, for ``edgediff.load``.

    A picture has their names and hashes and no paths. A file is taken from those that are given, else from the
    picture's folder, else from the working directory.

    Args:
        repeat: The picture.
        given: What the command line says for ``edgediff.load``; a scale of its ``loras`` that is not 1, which stands
            for none, must be the picture's.

    Raises:
        SettingError: A file is nowhere to be found.
        AdapterError: It cannot be read.
    """
    from edgediff_runtimes.picture_files import read_metadata

    metadata = read_metadata(repeat)
    found: dict[str, Any] = {}
    for name, places in (("loras", [path for path, _ in given["loras"]]), ("embeddings", [*given["embeddings"]])):
        recorded = metadata.get(name)
        if places and not recorded:
            raise click.UsageError(f"{repeat} was drawn without --{name[:-1]}: expected none beside --repeat")
        wanted = [one for one in recorded if isinstance(one, dict)] if isinstance(recorded, list) else []
        files = [_found(one, [*places, *_beside(one, repeat)]) for one in wanted]
        other = next((place for place in places if place not in files), None)
        if other is not None:
            raise click.UsageError(f"{repeat} was drawn with another --{name[:-1]} than {other}")
        found[name] = files if name == "embeddings" else list(zip(files, map(_scale, wanted), strict=True))
    for place, scale in given["loras"]:
        drawn = [own for file, own in found["loras"] if file == place]
        if scale not in (1, *drawn):
            raise click.UsageError(f"{repeat} was drawn with {place}={drawn[0]:g}: expected no other scale than that")
    return found


def _beside(recorded: dict[str, Any], repeat: Path) -> list[Path]:
    name = str(recorded.get("name"))
    return [folder / name for folder in (repeat.parent, Path())] if name == Path(name).name else []


def _scale(recorded: dict[str, Any]) -> float:
    from edgediff_runtimes.errors import SettingError
    from edgediff_runtimes.fields import is_finite

    scale = recorded.get("scale")
    if not is_finite(scale):
        raise SettingError("scale", got=scale, expected="a number, in the picture's record of its LoRAs")
    return float(scale)


def _found(recorded: dict[str, Any], places: list[Path]) -> Path:
    from edgediff_runtimes.bundle.bundle import sha256_of
    from edgediff_runtimes.errors import SettingError

    for place in places:
        if place.is_file() and sha256_of(place) == recorded.get("sha256"):
            return place
    raise SettingError(
        "repeat",
        got=str(recorded.get("name")),
        expected=f"the file that the picture was drawn with, whose SHA-256 is {str(recorded.get('sha256'))[:12]}…, in "
        "the picture's folder or the working directory",
        hint="name it with `loras` or `embeddings`",
    )
