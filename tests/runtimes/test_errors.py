"""The tree of errors: as drawn in the module, each also the builtin it specialises, one sentence each."""

from __future__ import annotations

import inspect
import pickle
import re
from pathlib import Path

import pytest

from edgediff_runtimes import errors

LEAVES = [
    errors.BundleNotFoundError("x", shipped=["emoji"]),
    errors.ManifestError("family", got=None, expected="a string"),
    errors.FormatVersionError(got="2.0", supported=1),
    errors.UnsafePathError("../x"),
    errors.ComponentFileError("unet/model.onnx", "is missing"),
    errors.VerificationError("mean PSNR", claimed="40.00 dB", measured="30.00 dB", least="39.50 dB"),
    errors.NotInstalledError("the engine `x`", extra="x", reason=ImportError("no module")),
    errors.DeviceError("npu", available=["cpu"]),
    errors.SettingError("steps", got=0, expected="more"),
    errors.BudgetError("no plan keeps to 1 GB", nearest=None),
    errors.NonFiniteError("unet", step=0),
    errors.Cancelled(),
    errors.OutOfMemoryError("ONNX Runtime failed in `unet`", work="a picture of 8x8 pixels"),
    errors.ToleranceError("unet", error=0.1, tolerance=1e-4, shapes="(1, 4)"),
    errors.QualityError("mean PSNR against fp32", got="30.00 dB", asked="40 dB", worst="unet", cost="31.00 dB with it"),
]


def _drawn():
    """(class, parent, builtin or None) of every line of the drawing in the docstring."""
    path, lines = [], (errors.__doc__ or "").splitlines()
    for line in lines:
        match = re.match(r"^ {4}([│ ]*(?:[├└]── )?)([A-Z]\w+)(?: +\((\w+)\))?", line)
        if not match or match[2] not in vars(errors):
            continue
        depth = len(match[1]) // 4
        path[depth:] = [match[2]]
        yield match[2], path[depth - 1] if depth else None, match[3]


def test_the_drawing_is_the_tree():
    drawn = {name: (parent, builtin) for name, parent, builtin in _drawn()}
    classes = {
        name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__
    }
    assert drawn.keys() == classes.keys()
    for name, (parent, builtin) in drawn.items():
        bases = [base.__name__ for base in classes[name].__bases__]
        if parent is None:
            assert bases == ["Exception"]
        else:
            assert bases == [parent, *([builtin] if builtin else [])]


@pytest.mark.parametrize("error", LEAVES, ids=lambda error: type(error).__name__)
def test_an_error_is_one_sentence_and_perhaps_a_hint(error):
    assert "\n" not in error.sentence
    assert str(error) == error.sentence + ("" if error.hint is None else f"\nhint: {error.hint}")


@pytest.mark.parametrize("error", LEAVES, ids=lambda error: type(error).__name__)
def test_an_error_comes_whole_out_of_another_process(error):
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is type(error)
    assert (again.args, vars(again)) == (error.args, vars(error))


def test_the_shipped_models_are_named():
    assert "shipped models: emoji, faces" in errors.BundleNotFoundError("x", shipped=["faces", "emoji"]).sentence


class _Unprintable:
    def __repr__(self):
        raise RecursionError


DEEP = {}
for _ in range(50_000):
    DEEP = {"a": [DEEP]}
HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "a\rerased\nforged line",
    "\u202egnp.exe",
    "\ud800\udcff",
    "\x9b31m\x7f\0",
    "x" * 10**6,
    10**5000,
    [0] * 10**6,
    {str(i): "x" * 10**4 for i in range(1000)},
    DEEP,
    _Unprintable(),
    b"\x1b" * 10**5,
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
def test_a_quoted_value_is_short_and_nothing_that_a_terminal_obeys(value):
    text = value if isinstance(value, str) else "x"
    made = [
        errors.SettingError("steps", got=value, expected="more", hint=text),
        errors.SettingError(text, got=0, expected="more"),
        errors.ManifestError(text, got=value, expected="a string"),
        errors.UnsafePathError(text),
        errors.ComponentFileError(text, "is missing"),
        errors.BundleNotFoundError(text),
        errors.FormatVersionError(got=text, supported=1),
        errors.DeviceError(text, available=["cpu"]),
        errors.BundleError(f"the family `{text}` is unknown"),
        errors.SourceError(f"`{text}` is not there"),
    ]
    for error in made:
        assert error.sentence.isprintable()
        assert error.hint is None or error.hint.isprintable()
        str(error).encode()
        assert len(str(error)) < 2500
    assert all(len(error.sentence) < 500 for error in made[:-2])


def test_a_short_value_is_quoted_as_it_is():
    assert errors.quoted(["it's", 1.5, None, {"é": "猫"}]) == """["it's", 1.5, None, {'é': '猫'}]"""
    assert errors.quoted([(Path("a.png"), 1.5)]) == "[('a.png', 1.5)]"
    assert errors.shown("C:\\models\\été 🍎") == "C:\\models\\été 🍎"


def test_a_long_text_keeps_both_ends():
    assert errors.shown("begin" + "x" * 500 + "end", most=30) == "begin" + "x" * 15 + "…" + "x" * 7 + "end"
