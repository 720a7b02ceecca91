"""Every option of a call is one of the command; what a model does not take is refused."""

from __future__ import annotations

from typing import get_type_hints

import click
import pytest

from edgediff.cli.run_options import COMPUTING, FILES, LOADED, PAIRS, SECTIONS, asked
from edgediff.cli.sizes import number_or_word
from edgediff_runtimes.settings import Options
from edgediff_runtimes.settings.prompting import EMBEDS


def test_every_option_of_a_call_is_offered():
    sections = [section for section in SECTIONS if section not in (FILES, COMPUTING)]
    offered = {option.name for section in sections for option in section.options}
    pairs = {name for names in PAIRS.values() for name in names}
    others = {"size", *LOADED}  # two numbers at once; what is loaded beside the bundle
    assert (offered - PAIRS.keys() - others) | pairs == get_type_hints(Options).keys() - {*EMBEDS}


def test_two_numbers_of_one_option():
    given = asked({"original_size": (64, 96), "crop": (3, 5), "target_size": None, "steps": 4})
    assert given == {"original_width": 64, "original_height": 96, "crop_left": 3, "crop_top": 5, "steps": 4}


REFUSED = {
    "--original-size": ("64x96", "`--original-size` is 64: expected nothing, because the bundle's model does not"),
    "--crop": ("3,5", "`--crop` is 3: expected nothing, because the bundle's model does not take it"),
    "--target-size": ("64x64", "`--target-size` is 64: expected nothing"),
    "--label": ("7", "`--label` is '7': expected nothing"),
    "--true-guidance": ("2", "`--true-guidance` is 2.0: expected nothing"),
    "--image-guidance": (
        "1.5",
        "`--image-guidance` is 1.5: expected nothing, because",
    ),
    "--aesthetic-score": ("6", "`--aesthetic-score` is 6.0: expected nothing"),
    "--negative-aesthetic-score": ("2", "`--negative-aesthetic-score` is 2.0: expected nothing"),
    "--refiner-start": ("0.8", "`--refiner-start` is 0.8: expected nothing"),
    "--decoder": ("tiny", "`decoder` is 'tiny': expected `full`, because the bundle has no small decoder"),
    "--encode": ("mode", "`encode` is 'mode': expected nothing, because there is no image"),
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_a_model_does_not_take_is_refused(bundle, command, tmp_path, option):
    value, sentence = REFUSED[option]
    done = command("run", "a", "-m", bundle, "-o", tmp_path / "a.png", option, value)
    assert (done.code, done.out) == (1, "")
    assert sentence in done.err


@pytest.mark.parametrize(("option", "value"), [("--crop", "3x5"), ("--crop", "-1,0"), ("--original-size", "big")])
def test_what_is_no_pair_is_a_usage_error(bundle, command, option, value):
    assert command("run", "a", "-m", bundle, option, value).code == 2


@pytest.mark.parametrize(
    ("text", "value"), [("192", 192), ("-1", -1), ("10000000000", 10**10), ("auto", "auto"), ("-", "-"), ("1.5", "1.5")]
)
def test_a_number_is_one_whatever_its_sign_and_length(text, value):
    command = click.Command("x", params=[click.Option(["--tile"], callback=number_or_word)])
    assert command.make_context("x", ["--tile", text]).params == {"tile": value}
