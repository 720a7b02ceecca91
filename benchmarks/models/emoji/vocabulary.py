"""The words of all training captions, into `vocabulary.txt` beside a pipeline; an export takes it into the bundle.

    python -m benchmarks.models.emoji.vocabulary --work DIR      # into the pipelines that are kept here

Names, keywords but those held out, colours, and the wordings around them. Made-up syllables, which mean nothing on
purpose, are left out.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.models.emoji import data
from benchmarks.models.emoji.budget import plain_options
from benchmarks.models.emoji.captions import FILLERS, Captions
from benchmarks.models.emoji.recolour import HUES
from benchmarks.models.emoji.ship import PIPELINES
from edgediff_runtimes.doubts import words_of

NAME = "vocabulary.txt"


def vocabulary(concepts: list[data.Concept]) -> list[str]:
    """The words that training taught, sorted."""
    return sorted(words_of(" ".join([*Captions(concepts).everything(), *HUES, *FILLERS])))


def main() -> None:
    """Write the file into each folder."""
    parser = plain_options(__doc__)
    parser.add_argument(
        "--out", type=Path, nargs="+", default=sorted(PIPELINES.iterdir()), help="folders (default: the kept pipelines)"
    )
    arguments = parser.parse_args()
    concepts, _ = data.load(arguments.work)
    words = vocabulary(concepts)
    for folder in arguments.out:
        (folder / NAME).write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    print(f"{len(words)} words")


if __name__ == "__main__":
    main()
