"""Ways to write more into a prompt than its words: weights, changes from step to step, long texts.

Without a syntax a prompt is text, brackets included. A syntax reads all of a prompt or refuses it.
"""

from __future__ import annotations

from collections.abc import Callable

from edgediff_runtimes.text.syntax import a1111, compel
from edgediff_runtimes.text.syntax.reading import Prompt, Text
from edgediff_runtimes.text.syntax.weighted import Weighted, in_texts

__all__ = ["SYNTAXES", "Prompt", "Text", "Weighted", "in_texts"]

# Arguments are the prompt and the setting that it is, for the error.
SYNTAXES: dict[str, Callable[[str, str], Prompt]] = {"a1111": a1111.read, "compel": compel.read}
