"""Checks of how prompts are read: their syntax, and the layer of CLIP that is taken."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TypedDict

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.plain import as_whole
from edgediff_runtimes.recipe import Stage
from edgediff_runtimes.recipe.declarations import Graph, Pad, Tokens
from edgediff_runtimes.settings.options import Options
from edgediff_runtimes.text.syntax import SYNTAXES

# Of a model that takes prompts, besides these.
EMBEDS = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
OPTIONS = ("syntax", "clip_skip", *EMBEDS)
_STATES, _LAST = "hidden_states.", "last_hidden_state"


class Reading(TypedDict):
    """How prompts are read, see ``Settings``."""

    syntax: str | None
    clip_skip: int | None


def reading(options: Options) -> Reading:
    """The settings of that theme."""
    return Reading(syntax=_syntax(options.get("syntax")), clip_skip=_clip_skip(options.get("clip_skip")))


def negative_option(options: Options) -> str:
    """The option that says what to steer away from: a text, or beside embeddings others."""
    return "negative_prompt" if options.get(EMBEDS[0]) is None else EMBEDS[1]


def _syntax(value: str | None) -> str | None:
    """The name of a syntax, or None."""
    if value is not None and value not in SYNTAXES:
        raise SettingError("syntax", got=value, expected=f"one of {', '.join(SYNTAXES)}, or nothing")
    return value


def _clip_skip(value: int | None) -> int | None:
    """A layer, counted from the last, or None."""
    found = None if value is None else as_whole(value)
    if value is not None and (found is None or found < 1):
        hint = "1 is the last layer, as the web UIs count; diffusers counts from 0"
        raise SettingError("clip_skip", got=value, expected="a whole number of at least 1", hint=hint)
    return found


def check_weighable(stage: Stage, clips: Collection[str], syntax: str) -> None:
    """Refuse a syntax where its weights and chunks have no meaning that anybody agreed on.

    Args:
        stage: Reads prompts.
        clips: Directories of the bundle's tokenizers that are CLIP's.
        syntax: The syntax that was asked for.

    Raises:
        SettingError: The stage has another text encoder than CLIP's, or a text of fixed length.
    """
    tokens = [part for part in stage.given if isinstance(part, Tokens)]
    if not all(part.tokenizer in clips for part in tokens):
        why = "reads prompts with other text encoders than CLIP's"
    elif any(isinstance(part, Pad) for part in stage.given):
        why = "takes texts of one length alone"
    else:
        return
    expected = f"nothing, because the bundle's model {why}, and weights are defined for states of CLIP's"
    raise SettingError("syntax", got=syntax, expected=expected)


def with_clip_skip(stage: Stage, skip: int, clips: Collection[str], outputs: Mapping[str, Collection[str]]) -> Stage:
    """The stage that takes the states of another layer of its CLIPs.

    Args:
        stage: Reads prompts.
        skip: The layer, counted from the last, 1.
        clips: Directories of the bundle's tokenizers that are CLIP's.
        outputs: What the graph of each component gives.

    Raises:
        SettingError: No states of CLIP's are taken, or a graph does not give those.
    """
    ids = {part.ids for part in stage.given if isinstance(part, Tokens) and part.tokenizer in clips}
    given, taken = [], False
    for part in stage.given:
        if isinstance(part, Graph) and ids.issuperset(part.feeds.values()):
            takes = {_skipped(output, skip, part.role, outputs[part.role]): to for output, to in part.takes.items()}
            taken = taken or any(output.startswith((_STATES, _LAST)) for output in part.takes)
            part = replace(part, takes=takes)  # noqa: PLW2901 - the part in its new form
        given.append(part)
    if not taken:
        expected = "nothing, because the bundle's network is told no states of a CLIP text encoder"
        raise SettingError("clip_skip", got=skip, expected=expected)
    return replace(stage, given=tuple(given))


def _skipped(output: str, skip: int, role: str, outputs: Collection[str]) -> str:
    """The output with the states of that layer, in place of one with the model's own."""
    if not output.startswith((_STATES, _LAST)):
        return output
    if output.startswith(_LAST):
        layers = sum(name.startswith(f"{_LAST}.") for name in outputs) + 1
        name = _LAST if skip == 1 else f"{_LAST}.{skip}"
    else:
        # The states before the first layer, which have the number 0, are one as well.
        layers = sum(name.startswith(_STATES) for name in outputs)
        name = f"{_STATES}{layers - skip}"
    if not outputs:
        expected = f"nothing, because the bundle does not say what the graph of `{role}` gives"
        raise SettingError("clip_skip", got=skip, expected=expected, hint="one that edgediff exported does")
    if skip > max(layers, 1) or name not in outputs:
        expected, hint = f"at most {layers}, because the graph of `{role}` gives so many layers", None
        if layers <= 1:
            expected = f"1, because the graph of `{role}` gives the states of its last layer alone"
            hint = "a bundle that is exported again, and for no target, gives all of them"
        raise SettingError("clip_skip", got=skip, expected=expected, hint=hint)
    return name
