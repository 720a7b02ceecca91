"""What a syntax makes of a prompt, whichever syntax it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NoReturn, final

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.text.encoding import Encoder
from edgediff_runtimes.text.syntax.weighted import Weighted
from edgediff_runtimes.untrusted.bounds import Bound

NESTING = Bound(100, "brackets are read inside each other, and nobody nests ten")
# Beyond it float32 loses the words beside it; people write 0 to 2.
HEAVIEST = 1000.0


@final
@dataclass(frozen=True, slots=True)
class Phrase:
    """Words of one weight."""

    text: str
    weight: float = 1.0


class Text(ABC):
    """A prompt as it is at one step. Equal texts have equal states."""

    @abstractmethod
    def weighted(self, encoder: Encoder, *, length: int) -> Weighted:
        """Rows of ``length`` tokens for a text encoder, and what is done with their states.

        Args:
            encoder: CLIP's tokenizer.
            length: Tokens of a row, marks included.
        """


class Prompt(ABC):
    """A prompt as a syntax reads it."""

    @abstractmethod
    def at(self, step: int, steps: int) -> Text:
        """The text at a step.

        Args:
            step: From 1 to ``steps``.
            steps: Of the run.
        """

    @property
    @abstractmethod
    def changes(self) -> bool:
        """Whether steps may differ."""

    @property
    @abstractmethod
    def words(self) -> str:
        """All words that it has at any step."""


@final
@dataclass(frozen=True, slots=True)
class Source:
    """A prompt while it is read: what a refusal tells of it.

    Attributes:
        text: As the caller wrote it.
        setting: ``prompt`` or ``negative_prompt``.
    """

    text: str
    setting: str

    def refuse(self, expected: str, *, hint: str | None = None) -> NoReturn:
        """Raise what is wrong with it."""
        raise SettingError(self.setting, got=self.text, expected=expected, hint=hint)


def place(index: int) -> str:
    """Where something stands: ``character 3`` is the third."""
    return f"character {index + 1}"
