"""Step 1: from two npm packages to pictures and captions.

`emoji-datasource-google` 16.0.0 holds the Noto Color Emoji drawings as 64-pixel PNGs, `emojilib` 4.0.3 their keywords.
Kept are things one can draw: no flags, no skin tones or gendered twins, no letters, signs, clocks or arrows.

    python -m benchmarks.models.emoji.data --work DIR            # fetches the packages with `npm pack`
    python -m benchmarks.models.emoji.data --work DIR --packages FOLDER_WITH_THE_TWO_TGZ
"""

from __future__ import annotations

import io
import json
import random
import re
import subprocess
import tarfile
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.models.emoji.budget import plain_options

DRAWINGS = "emoji-datasource-google-16.0.0.tgz"
KEYWORDS = "emojilib-4.0.3.tgz"

_DROPPED_CATEGORIES = {"Flags", "Component"}
_DROPPED_SUBCATEGORIES = {
    "alphanum", "keycap", "av-symbol", "arrow", "other-symbol", "punctuation", "math", "currency", "gender", "zodiac",
    "religion", "transport-sign", "warning", "family", "person", "person-gesture", "person-activity", "person-symbol",
    "person-resting", "person-role", "person-sport", "person-fantasy", "hands", "hand-prop", "emotion", "sound",
    "office", "book-paper", "mail", "writing", "money", "medical", "science", "other-object", "place-map",
    "place-geographic", "place-religious",
}  # fmt: skip
_CLOCK = re.compile(r"CLOCK FACE")
_TWIN_PSNR = 22.0  # dB: two drawings nearer than this are one drawing to a person
_GENDER_SIGNS = {"2640", "2642"}
_ADULT = re.compile("(1F468|1F469)-")  # a man or a woman joined with a sign, a tool, another person
_GENDERED = re.compile(r"^(man|woman|men|women)[ _]")


@final
@dataclass(frozen=True, slots=True)
class Concept:
    """One drawing and the words people use for it.

    Attributes:
        name: The plain name, lower case, unique, e.g. `"red apple"`.
        keywords: Other words and short phrases for it, lower case, without the name itself.
        held_out: The one keyword of it that training never pairs with it, or `""`.
        group: The package's subcategory, e.g. `"food-fruit"`.
        file: The drawing's file name in the package.
    """

    name: str
    keywords: tuple[str, ...]
    held_out: str
    group: str
    file: str


def load(work: Path) -> tuple[list[Concept], npt.NDArray[np.uint8]]:
    """Read what `main` wrote.

    Returns:
        The concepts and their pictures, (concept, height, width, channel), RGB on white.
    """
    rows = json.loads((work / "data" / "concepts.json").read_text(encoding="utf-8"))
    concepts = [Concept(**{**row, "keywords": tuple(row["keywords"])}) for row in rows]
    return concepts, np.load(work / "data" / "pictures.npy")


def save(work: Path, concepts: list[Concept], pictures: npt.NDArray[np.uint8]) -> None:
    """Write concepts and pictures where `load` finds them."""
    (work / "data").mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(concept) for concept in concepts], indent=1, ensure_ascii=False)
    (work / "data" / "concepts.json").write_text(text, encoding="utf-8")
    np.save(work / "data" / "pictures.npy", pictures)


def fetch(packages: Path) -> None:
    """Download the two packages with npm, unless they are there."""
    packages.mkdir(parents=True, exist_ok=True)
    for archive in (DRAWINGS, KEYWORDS):
        if not (packages / archive).exists():
            name, version = archive.removesuffix(".tgz").rsplit("-", 1)
            subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=packages, check=True)  # noqa: S607 - npm from PATH


def _plain(words: str) -> str:
    """Lower case, only letters, digits and single spaces: what a caption is made of."""
    return " ".join(re.sub(r"[^a-z0-9']+", " ", words.lower().replace("\u2019", "'")).split())


def _wanted(row: dict[str, Any]) -> bool:
    codes = set(row["unified"].split("-"))
    return (
        row["has_img_google"]
        and row["category"] not in _DROPPED_CATEGORIES
        and row["subcategory"] not in _DROPPED_SUBCATEGORIES
        and not codes & _GENDER_SIGNS
        and not _CLOCK.search(row["name"])
        and not _ADULT.search(row["unified"])
    )


def _concept(row: dict[str, Any], keywords: dict[str, list[str]]) -> Concept:
    character = "".join(chr(int(code, 16)) for code in row["unified"].split("-"))
    words = keywords.get(character) or keywords.get(character.replace("\ufe0f", "")) or []
    name = _plain(words[0] if words else row["name"])
    others = [_plain(word) for word in (row["name"], *row["short_names"], *words[1:])]
    others = [word for word in dict.fromkeys(others) if 1 < len(word) <= 40 and word != name]
    return Concept(name, tuple(others), "", row["subcategory"], row["image"])


def select(rows: list[dict[str, Any]], keywords: dict[str, list[str]]) -> list[Concept]:
    """The concepts to teach, in the packages' order, each name once.

    A gendered drawing ("man cook") is left out where the ungendered one exists: the three differ by a few pixels.
    """
    concepts: dict[str, Concept] = {}
    for row in sorted(filter(_wanted, rows), key=lambda row: row["sort_order"]):
        concept = _concept(row, keywords)
        concepts.setdefault(concept.name, concept)
    names = set(concepts)
    return [
        concept
        for name, concept in concepts.items()
        if not (_GENDERED.match(name) and {_GENDERED.sub("", name), _GENDERED.sub("person ", name)} & names)
    ]


def hold_out(concepts: list[Concept]) -> list[Concept]:
    """The concepts, with one keyword of each that has six or more held out by lot.

    It is one that at most three drawings share: "animal" would prove little.
    """
    shared = Counter(word for concept in concepts for word in concept.keywords)
    drawn = []
    for concept in concepts:
        telling = [word for word in concept.keywords if shared[word] <= 3]
        gives = len(concept.keywords) >= 6 and bool(telling)
        word = random.Random(concept.name).choice(telling) if gives else ""  # noqa: S311 - a lottery, not a secret
        drawn.append(replace(concept, held_out=word))
    return drawn


def distinct(pictures: npt.NDArray[np.uint8]) -> list[int]:
    """Indices of the pictures that no earlier kept one resembles by `_TWIN_PSNR` or more."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32) / 255
    square = np.einsum("ij,ij->i", flat, flat)
    error = (square[:, None] + square[None] - 2 * flat @ flat.T) / flat.shape[1]
    near = error < 10 ** (-_TWIN_PSNR / 10)
    kept: list[int] = []
    for index in range(len(pictures)):
        if not near[index, kept].any():
            kept.append(index)
    return kept


def _picture(png: bytes, *, size: int) -> npt.NDArray[np.uint8]:
    drawing = Image.open(io.BytesIO(png)).convert("RGBA")
    sheet = Image.new("RGBA", drawing.size, "white")
    sheet.alpha_composite(drawing)
    return np.asarray(sheet.convert("RGB").resize((size, size), Image.Resampling.LANCZOS))


def main() -> None:
    """Write `data/concepts.json` and `data/pictures.npy` into the work folder."""
    parser = plain_options(__doc__)
    parser.add_argument("--packages", type=Path, help="folder of the two .tgz files (default: WORK/download)")
    parser.add_argument("--size", type=int, default=64, help="side of the pictures in pixels (default: %(default)s)")
    arguments = parser.parse_args()
    packages = arguments.packages or arguments.work / "download"
    fetch(packages)
    with tarfile.open(packages / KEYWORDS) as archive:
        keywords = json.loads(_member(archive, "package/dist/emoji-en-US.json"))
    with tarfile.open(packages / DRAWINGS) as archive:
        concepts = select(json.loads(_member(archive, "package/emoji.json")), keywords)
        wanted = {f"package/img/google/64/{concept.file}": index for index, concept in enumerate(concepts)}
        pictures = np.empty((len(concepts), arguments.size, arguments.size, 3), np.uint8)
        for member in archive:  # in the archive's order: seeking back would unpack it again for every drawing
            if member.name in wanted:
                pictures[wanted[member.name]] = _picture(_member(archive, member.name), size=arguments.size)
    kept = distinct(pictures)
    concepts, pictures = hold_out([concepts[index] for index in kept]), pictures[kept]
    save(arguments.work, concepts, pictures)
    print(f"{len(concepts)} drawings, {sum(len(concept.keywords) for concept in concepts)} keywords")


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise FileNotFoundError(f"{name!r} is no file of the package {archive.name!r}")
    return file.read()


if __name__ == "__main__":
    main()
