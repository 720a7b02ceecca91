"""What the prompts of a run are at each of its steps, as their syntax says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.text.syntax import SYNTAXES, Text
from edgediff_runtimes.untrusted.bounds import CHARACTERS


@final
@dataclass(frozen=True, slots=True)
class PromptTexts:
    """The texts of a stage; each is encoded once, however many steps and prompts it is for.

    Attributes:
        texts: All different ones.
        variants: For each choice of them, the place in ``texts`` of every prompt, then of every negative prompt.
        at: For each step of the stage, the place in ``variants`` of its choice.
    """

    texts: tuple[Text, ...]
    variants: tuple[tuple[int, ...], ...]
    at: tuple[int, ...]

    @property
    def changes(self) -> bool:
        """Whether steps differ."""
        return len(self.variants) > 1


def prompt_texts(settings: Settings, *, before: int, steps: int, total: int) -> PromptTexts | None:
    """The texts of a stage; None where prompts are texts themselves.

    Steps are counted over all stages of the run, and those that image-to-image leaves out are not counted.

    Args:
        settings: Of the stage.
        before: Steps of earlier stages.
        steps: Of the stage.
        total: Of the run.

    Raises:
        SettingError: A prompt is not written as its syntax wants it.
    """
    if settings.syntax is None:
        return None
    if settings.to_prompts:
        hint = '`("one", "other").blend(1, 1)` is how compel\'s syntax mixes prompts'
        raise SettingError("to_prompt", got=settings.to_prompts[0], expected="nothing beside `syntax`", hint=hint)
    texts: dict[Text, int] = {}
    columns = []
    asked = [("prompt", prompt) for prompt in settings.prompts]
    asked += [("negative_prompt", prompt) for prompt in settings.negative_prompts]
    for setting, prompt in asked:
        if len(prompt) > CHARACTERS.most:
            raise SettingError(
                setting,
                got=f"{len(prompt):,} characters",
                expected=f"at most {CHARACTERS.most:,}, because {CHARACTERS.reason}",
            )
        read = SYNTAXES[settings.syntax](prompt, setting)
        numbers = range(before + 1, before + steps + 1) if read.changes else (1,)
        places = [texts.setdefault(read.at(number, total), len(texts)) for number in numbers]
        columns.append(places if read.changes else places * steps)
    chosen = list(zip(*columns, strict=True))
    choices = {choice: place for place, choice in enumerate(dict.fromkeys(chosen))}
    return PromptTexts(tuple(texts), tuple(choices), tuple(choices[choice] for choice in chosen))


def check_reusable(prompts: Sequence[PromptTexts | None], settings: Settings) -> None:
    """Refuse to go on from predictions of one text with those of another.

    Raises:
        SettingError: Prompts change from step to step, and predictions are reused.
    """
    if not any(texts is not None and texts.changes for texts in prompts):
        return
    for name, asked, off in (("reuse", settings.reuse, "off"), ("reuse_guidance", settings.reuse_guidance, 1)):
        if asked != off:
            expected = f"`{off}`, because the prompts change from step to step, and the predictions with them"
            raise SettingError(name, got=asked, expected=expected)
