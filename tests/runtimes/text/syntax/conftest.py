"""A small CLIP tokenizer, and the refusal of a prompt."""

from __future__ import annotations

import pytest

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.text import open_tokenizer
from edgediff_runtimes.text.syntax import SYNTAXES


@pytest.fixture(scope="session")
def encoder(golden):
    """Rows of twelve tokens, ten beside the marks."""
    return open_tokenizer(golden / "tokenizer" / "pad-exclamation", max_tokens=12)


@pytest.fixture
def refused():
    """The refusal of a prompt: its sentence and hint."""

    def of(syntax, prompt, setting="prompt"):
        with pytest.raises(SettingError) as caught:
            SYNTAXES[syntax](prompt, setting)
        assert caught.value.setting == setting
        return str(caught.value)

    return of
