"""The prompts that a bundle is calibrated and measured with: our own, or a user's from a text file.

No prompt is in both lists: what a quantisation was fitted to says nothing about what it costs elsewhere. The lists
are general: things, animals, people, rooms, landscapes, weather, light, styles, short prompts and long ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgediff_runtimes.errors import SettingError

CALIBRATION_PROMPTS: tuple[str, ...] = (
    "a yellow banana",
    "a green bicycle leaning against a brick wall",
    "portrait of an old fisherman with a white beard, studio light",
    "a cat sleeping on a windowsill",
    "a snowy mountain at sunrise, wide angle photograph",
    "a bowl of ramen with an egg and spring onions, seen from above",
    "a city street in the rain at night, neon signs, reflections",
    "a watercolour painting of a sailing boat",
    "a robot that waters flowers",
    "a wooden kitchen with copper pans",
    "a field of sunflowers under a blue sky",
    "two children building a sand castle on the beach",
    "an elephant in the savannah, black and white photograph",
    "a logo of a fox, flat design, orange on white",
    "a steam train crossing a stone bridge in autumn",
    "a glass of orange juice",
    "an astronaut on the moon looking at the earth",
    "a medieval castle on a hill, oil painting",
    "a parrot with red and blue feathers, close-up",
    "a bookshelf full of old books, warm light",
    "a desert with dunes and a single tree",
    "a woman with curly hair laughing, natural light, shallow depth of field",
    "a birthday cake with candles",
    "an abstract pattern of circles and triangles, soft colours",
)

EVALUATION_PROMPTS: tuple[str, ...] = (
    "a red apple",
    "a dog running through shallow water, golden hour",
    "a lighthouse on a cliff in a storm",
    "portrait of a young man with glasses, pencil drawing",
    "a blue car parked in front of a white house",
    "an owl on a branch at night under a full moon",
    "a cup of coffee and a croissant on a marble table",
    "a forest path in the fog, soft light, photograph",
    "a rocket taking off, pixel art",
    "a living room with a green sofa, large windows and many plants",
    "a smiling snowman with a hat",
    "a fishing village with colourful houses, seen from the sea",
)


def read_prompts(path: Path, *, setting: str) -> tuple[str, ...]:
    """Prompts of a text file in UTF-8, one a line; empty lines and blanks around a prompt are left out.

    Args:
        path: The file.
        setting: What a user calls the setting that names it, for the error.

    Raises:
        SettingError: The file cannot be read, is not UTF-8, or has no prompt.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:  # a zero byte in the path, bytes that are no UTF-8
        raise SettingError(setting, got=str(path), expected=f"a readable text file ({error})") from error
    prompts = tuple(line.strip() for line in lines if line.strip())
    if not prompts:
        raise SettingError(setting, got=str(path), expected="a file with at least one prompt, one a line")
    return prompts


def held_out(evaluation: Sequence[str] | None, *, calibration: Sequence[str]) -> tuple[str, ...]:
    """The evaluation prompts, none of which may be among the calibration prompts (letter case and blanks aside).

    Args:
        evaluation: A user's prompts; None takes our own, less those that a user calibrates with.
        calibration: The prompts that the bundle was calibrated with; none where it was not.

    Raises:
        SettingError: One of a user's prompts is among the calibration prompts, or none of ours is left.
    """
    seen = {_plain(prompt) for prompt in calibration}
    if evaluation is None:
        kept = tuple(prompt for prompt in EVALUATION_PROMPTS if _plain(prompt) not in seen)
        if not kept:
            raise SettingError("evaluate", got=None, expected="prompts, because all of ours are calibrated with")
        return kept
    if both := [prompt for prompt in evaluation if _plain(prompt) in seen]:
        raise SettingError(
            "evaluate",
            got=both[0],
            expected="prompts that are not among the calibration prompts",
            hint="quality is measured on prompts that the calibration has not seen: take it out of one of the files",
        )
    return tuple(evaluation)


def _plain(prompt: str) -> str:
    return " ".join(prompt.casefold().split())
