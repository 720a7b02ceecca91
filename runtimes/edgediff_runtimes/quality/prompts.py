"""What the pictures show that a bundle is calibrated and measured with: our prompts, or a user's from a text file.

No prompt is in both lists: what a quantisation was fitted to says nothing about what it costs elsewhere. The lists
are general: things, animals, people, rooms, landscapes, weather, light, styles, short prompts and long ones. A model
without text has labels in their place, as texts, or nothing: an empty text, and pictures that differ by their seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TypeAlias, final

from edgediff_runtimes.errors import ComponentFileError, SettingError
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import Choice
from edgediff_runtimes.settings import Options
from edgediff_runtimes.settings.checks import choice
from edgediff_runtimes.untrusted.bounds import TEXT_BYTES
from edgediff_runtimes.untrusted.documents import read_text

# A text file with one prompt a line, or the prompts themselves.
Prompts: TypeAlias = str | Path | Sequence[str]

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

_THIRD = 3


@final
@dataclass(frozen=True, slots=True)
class Subjects:
    """What a model is asked for, as texts: prompts, labels, or an empty one where it takes neither.

    Attributes:
        calibration: To calibrate with.
        evaluation: To measure with; none of the others, but where there is one label or nothing to ask for. Then the
            seeds alone are others.
        labels: The part that takes labels, of a model that takes them in place of text.
    """

    calibration: tuple[str, ...] = CALIBRATION_PROMPTS
    evaluation: tuple[str, ...] = EVALUATION_PROMPTS
    labels: Choice | None = None

    @classmethod
    def of(cls, recipe: Recipe) -> Subjects:
        """Ours for a model: its labels are spread over all of its classes, each third one to measure with."""
        if "prompt" in recipe.options:
            return cls()
        labels = recipe.labels
        if labels is None or labels.below is None:
            return cls(("",) * len(CALIBRATION_PROMPTS), ("",) * len(EVALUATION_PROMPTS))
        count = len(CALIBRATION_PROMPTS) + len(EVALUATION_PROMPTS)
        spread = [str(label) for label in dict.fromkeys(index * labels.below // count for index in range(count))]
        evaluation = spread[1::_THIRD] or spread
        calibration = [label for label in spread if label not in evaluation] or spread
        return cls(
            tuple(islice(cycle(calibration), len(CALIBRATION_PROMPTS))),
            tuple(islice(cycle(evaluation), len(EVALUATION_PROMPTS))),
            labels,
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing to ask for."""
        return not any(self.evaluation)

    def asked(self, given: Prompts | None, *, setting: str) -> tuple[str, ...]:
        """What a user gives in place of ours: prompts or labels; none where that is nothing.

        Args:
            given: A text file with one a line, or they themselves.
            setting: What a user calls the setting, for the error.

        Raises:
            SettingError: The model takes neither, the file cannot be read, there is none in it, or the model does not
                have a label.
        """
        if given is None:
            return ()
        if self.empty:
            shown = str(given) if isinstance(given, Path) else given
            raise SettingError(
                setting, got=shown, expected="nothing, because the model takes neither prompts nor labels"
            )
        texts = read_prompts(Path(given), setting=setting) if isinstance(given, str | Path) else _texts(given, setting)
        if self.labels is not None:
            choice(self.labels, texts)
        return texts


def call_of(recipe: Recipe, subject: str) -> tuple[str | None, Options]:
    """A text of ``Subjects`` as the prompt and the options of a call."""
    if "prompt" in recipe.options:
        return subject, {}
    return None, {} if recipe.labels is None else {"class_label": subject}


def read_prompts(path: Path, *, setting: str) -> tuple[str, ...]:
    """Prompts of a text file in UTF-8, one a line; empty lines and blanks around a prompt are left out.

    Args:
        path: The file.
        setting: What a user calls the setting that names it, for the error.

    Raises:
        SettingError: The file cannot be read, is no regular file, too long, not UTF-8, or has no prompt.
    """
    try:
        lines = read_text(path, name=path.name, bound=TEXT_BYTES).splitlines()
    except ComponentFileError as error:
        raise SettingError(setting, got=str(path), expected=f"a readable text file: it {error.problem}") from error
    prompts = tuple(line.strip() for line in lines if line.strip())
    if not prompts:
        raise SettingError(setting, got=str(path), expected="a file with at least one prompt, one a line")
    return prompts


def _texts(given: object, setting: str) -> tuple[str, ...]:
    texts = tuple(given) if isinstance(given, Sequence) else ()
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise SettingError(setting, got=given, expected="a text file, or at least one prompt")
    return texts


def held_out(
    evaluation: Sequence[str] | None, *, calibration: Sequence[str], ours: Sequence[str] = EVALUATION_PROMPTS
) -> tuple[str, ...]:
    """The evaluation prompts, none of which may be among the calibration prompts (letter case and blanks aside).

    Args:
        evaluation: A user's prompts; None takes our own, less those that a user calibrates with.
        calibration: The prompts that the bundle was calibrated with; none where it was not.
        ours: Our own.

    Raises:
        SettingError: One of a user's prompts is among the calibration prompts, or none of ours is left.
    """
    seen = {_plain(prompt) for prompt in calibration}
    if evaluation is None:
        kept = tuple(prompt for prompt in ours if _plain(prompt) not in seen)
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
