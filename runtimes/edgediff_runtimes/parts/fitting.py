"""Arrays that a recipe brings together and that do not fit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edgediff_runtimes.errors import EdgediffError, RecipeError, shown


@contextlib.contextmanager
def fitting(stage: str, what: str) -> Iterator[None]:
    """Say of what fails inside that the recipe is at fault, which alone brings these arrays and numbers together.

    Args:
        stage: Its name, for the sentence.
        what: What is computed, likewise.

    Raises:
        RecipeError: In place of what Python and NumPy raise.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        if isinstance(error, EdgediffError):
            raise
        line = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise RecipeError(stage, what, f"cannot compute ({shown(line)})", "values that fit together") from error
