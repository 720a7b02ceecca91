"""Seeds, and what lies between two seeds or two prompts."""

from __future__ import annotations

import secrets
from typing import TypedDict

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.noise import image_seeds
from edgediff_runtimes.settings import checks
from edgediff_runtimes.settings.options import RANDOM_SEED, Options

_SEED_BITS = 32  # all that torch's CPU generator uses of a seed
_HALF = 0.5


class Between(TypedDict):
    """Fields of ``Settings``, see there."""

    variation_seed: int | None
    variation_strength: float | None
    to_prompts: tuple[str, ...]
    blend: float | None


def seed(setting: str, value: int | None) -> int:
    """A seed; one at random for None and ``RANDOM_SEED``.

    Raises:
        SettingError: It is none that PyTorch would take.
    """
    [found] = image_seeds(RANDOM_SEED if value is None else value, 1, setting=setting)
    return secrets.randbits(_SEED_BITS) if found == RANDOM_SEED else found


def between(options: Options, prompts: tuple[str, ...]) -> Between:
    """How far to go to another seed, and to another prompt.

    Raises:
        SettingError: One is given without what it goes to, there are not as many texts as prompts, or a number is not
            in its range.
    """
    strength, other = options.get("variation_strength"), options.get("variation_seed")
    if strength is None and other is not None:
        hint = "`variation_strength` says how far to go to it, from 0 to 1"
        raise SettingError("variation_seed", got=other, expected="nothing without a strength", hint=hint)
    text, share = options.get("to_prompt"), options.get("blend")
    if text is None and share is not None:
        hint = "`to_prompt` is the text that the prompt is blended with"
        raise SettingError("blend", got=share, expected="nothing without another prompt", hint=hint)
    texts: tuple[str, ...] = ()
    if text is not None:
        texts = checks.texts([text] * len(prompts) if isinstance(text, str) else text)
        if len(texts) != len(prompts):
            expected = f"one Unicode text, or a list with one for each of {len(prompts)} prompts"
            raise SettingError("to_prompt", got=text, expected=expected)
        share = _HALF if share is None else share
    return {
        "variation_seed": None if strength is None else seed("variation_seed", other),
        "variation_strength": None if strength is None else checks.from_0_to_1("variation_strength", strength),
        "to_prompts": texts,
        "blend": None if share is None else checks.from_0_to_1("blend", share),
    }
