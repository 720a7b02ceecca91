"""Lists that share no prompt, and files of a user's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.quality.prompts import CALIBRATION_PROMPTS, EVALUATION_PROMPTS, held_out, read_prompts
from edgediff_runtimes.untrusted.bounds import TEXT_BYTES


def test_our_lists_have_no_prompt_twice():
    both = [prompt.casefold() for prompt in (*CALIBRATION_PROMPTS, *EVALUATION_PROMPTS)]
    assert len(set(both)) == len(both) == 36
    assert held_out(None, calibration=CALIBRATION_PROMPTS) == EVALUATION_PROMPTS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_has_a_prompt_a_line(tmp_path, encoding):
    path = tmp_path / "prompts.txt"
    path.write_text("a café 🍎\n\n  the cat \r\n", encoding=encoding)
    assert read_prompts(path, setting="calibrate") == ("a café 🍎", "the cat")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "expected a readable text file"),
        (b"a caf\xe9\n", "expected a readable text file"),
        (b"", "expected a file with at least one prompt, one a line"),
        (b"\n \n", "expected a file with at least one prompt, one a line"),
    ],
)
def test_a_file_without_prompts_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "prompts.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingError) as caught:
        read_prompts(path, setting="calibrate")
    assert caught.value.sentence.startswith("`calibrate` is '")
    assert sentence in caught.value.sentence
    assert "\n" not in caught.value.sentence


def test_a_prompt_that_was_calibrated_with_is_refused_for_the_evaluation():
    with pytest.raises(SettingError, match=r"`evaluate` is 'A  Red Apple': expected prompts that are not among"):
        held_out(["a pear", "A  Red Apple"], calibration=["a red apple"])
    assert held_out(["a pear"], calibration=["a red apple"]) == ("a pear",)


def test_ours_give_way_to_what_a_user_calibrates_with():
    left = held_out(None, calibration=["A red apple", "a pear"])
    assert left == EVALUATION_PROMPTS[1:]
    with pytest.raises(SettingError, match="all of ours are calibrated with"):
        held_out(None, calibration=EVALUATION_PROMPTS)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes and devices")
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_may_never_end_is_no_list_of_prompts(tmp_path, kind):
    path = Path("/dev/zero")
    if kind == "pipe":
        path = tmp_path / "prompts.txt"
        os.mkfifo(path)
    with pytest.raises(SettingError, match="expected a readable text file: it is a pipe or a device"):
        read_prompts(path, setting="evaluate")


def test_a_list_that_is_too_long_is_not_read(tmp_path):
    with (tmp_path / "prompts.txt").open("wb") as file:
        file.truncate(TEXT_BYTES.most + 1)
    with pytest.raises(SettingError, match=r"it has 16,777,217 bytes: expected a whole number of at most 16,777,216"):
        read_prompts(tmp_path / "prompts.txt", setting="calibrate")
