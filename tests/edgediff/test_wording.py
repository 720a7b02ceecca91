"""One hint, said in options by the command and in keywords by Python."""

from __future__ import annotations

import re

import pytest

from edgediff import cli
from edgediff.cli import group
from edgediff.cli.wording import as_options, with_option
from edgediff_runtimes.errors import BundleNotFoundError, NonFiniteError, OutOfMemoryError, QualityError, SettingError

SAID = [
    ("raise `guidance`", "raise `--guidance`"),
    ("`low_memory=True` needs less", "`--low-memory` needs less"),
    ('export it with `precision="fp32"`', "export it with `--precision fp32`"),
    ('`defaults={"steps": 1, "guidance": 1}` for it', "`--default steps=1 --default guidance=1` for it"),
    ('such as `precision={"unet": "fp32"}`', "such as `--precision unet=fp32`"),
    ('`engine="openvino"` chooses', "`--engine openvino` chooses"),
    ('`format="openvino"` has it', "`--format openvino` has it"),
    ("give another name, or `overwrite=True`", "give another name, or `--overwrite`"),
    ("add `config=DIR`: any", "add `--config DIR`: any"),
    ("name another with `execution`", "name another with `--execution`"),
    ("make one with `edgediff.export(source, bundle)`", "make one with `edgediff export SOURCE BUNDLE`"),
    ('`edgediff.export("me/model", bundle)` makes', "`edgediff export me/model BUNDLE` makes"),
    ("`edgediff.export(source, bundle, overwrite=True)`", "`edgediff export SOURCE BUNDLE --overwrite`"),
]
LEFT = [
    "take `timestep_spacing=leading`",  # a sampler's field
    "`edgediff devices` lists what this machine has",
    "`edgediff.json` is written by the export",
    "`int8` needs none",
    "pip install 'openvino>=2026.4'",
    "--overwrite replaces it; {seed} in the name makes another",
    "`",
]


@pytest.mark.parametrize(("python", "command"), SAID)
def test_settings_become_options(python, command):
    assert as_options(python, group) == command


@pytest.mark.parametrize(
    ("setting", "named"),
    [("class_label", "--label"), ("true_guidance", "--true-guidance"), ("steps", "steps"), ("beta_end", "beta_end")],
)
def test_a_sentence_names_the_option_where_it_is_another_word(setting, named):
    error = SettingError(setting, got="`class_label`", expected="nothing, because `label` has it")
    expected = f"`{named}` is '`class_label`': expected nothing, because `label` has it"
    assert with_option(error.sentence, error.setting, group) == expected


def test_a_sentence_names_options_of_two_words_in_what_was_expected():
    error = SettingError("reuse", got="`mask_blur`", expected="`off` beside `guidance_interval` and `timestep_spacing`")
    expected = "`reuse` is '`mask_blur`': expected `off` beside `--guidance-interval` and `timestep_spacing`"
    assert with_option(error.sentence, error.setting, group) == expected


@pytest.mark.parametrize("hint", LEFT)
def test_what_is_no_setting_of_ours_stays(hint):
    assert as_options(hint, group) == hint


@pytest.mark.parametrize(
    "error",
    [
        BundleNotFoundError("x"),
        NonFiniteError("unet"),
        OutOfMemoryError("x"),
        QualityError("PSNR", got="1", asked="2", worst="unet", cost="1"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_python_hears_no_options_and_the_command_no_keywords(error):
    assert "--" not in error.hint
    assert "=True" not in as_options(error.hint, group)
    assert not re.search(r"edgediff\.\w+\(", as_options(error.hint, group))


def test_no_hint_below_the_command_names_an_option(root):
    """What they say is turned into options by the command alone."""
    found = [
        (path.name, line.strip())
        for package in ("runtimes", "exporters")
        for path in (root / package).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"[\"'].*`--\w", line)
    ]
    assert found == []


def test_the_command_says_it_its_way(command, bundle, tmp_path):
    outcome = command("run", "a", "-m", tmp_path)
    assert outcome.err.splitlines()[1] == "hint: make one with `edgediff export SOURCE BUNDLE`"
    outcome = command("run", "a", "-m", bundle, "--execution", "bf16")
    assert outcome.err.splitlines()[1].startswith("hint: `--engine openvino` chooses what it computes in")


def test_so_do_its_warnings(capsys):
    cli._show_warning('with `precision={"text_encoder_3": "w8"}` it takes 4.8 GB')
    assert capsys.readouterr().err == "warning: with `--precision text_encoder_3=w8` it takes 4.8 GB\n"


@pytest.fixture
def root(pytestconfig):
    root = pytestconfig.rootpath
    if not (root / "runtimes").is_dir():
        pytest.skip("the wheel is tested apart from the checkout")
    return root
