"""The options of ``edgediff run`` that say how a picture is enlarged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgediff.cli.command import Section

if TYPE_CHECKING:
    from edgediff_runtimes.settings import Options

ENLARGING = Section(
    "Enlarging",
    (
        click.Option(
            ["--enlarge"],
            type=float,
            metavar="FACTOR",
            help="Draw --image, or a picture that is drawn first, anew at so many times its size: above 1 to 8. "
            "--strength is how far to go from it (0.3), --tile draws it in tiles of so many pixels.",
        ),
        click.Option(
            ["--enlarger"],
            type=click.Path(path_type=Path),
            metavar="FILE.onnx",
            help="Enlarge by this graph first, such as ESRGAN's.  [default: by Lanczos]",
        ),
    ),
)


def check_enlarger(enlarger: Path | None, options: Options, repeat: Path | None) -> None:
    """Refuse an enlarger that has no effect, and a repetition with another than the one a picture was drawn with.

    Args:
        enlarger: What ``--enlarger`` says.
        options: Of the run.
        repeat: What ``--repeat`` says.
    """
    if enlarger is not None and options.get("enlarge") is None:
        raise click.UsageError("--enlarger has no effect without --enlarge: expected both")
    if repeat is None:
        return
    from edgediff_runtimes.bundle.bundle import sha256_of
    from edgediff_runtimes.errors import shown
    from edgediff_runtimes.picture_files import read_metadata

    name = read_metadata(repeat).get("enlarger")
    if name is None:
        if enlarger is not None:
            raise click.UsageError(f"{repeat} was drawn without --enlarger: expected none beside --repeat")
    elif enlarger is None or (enlarger.is_file() and sha256_of(enlarger)[:16] != str(name).rpartition(" ")[2]):
        raise click.UsageError(f"{repeat} was drawn with an enlarger ({shown(name)}): expected it as --enlarger")
