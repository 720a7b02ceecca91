"""The one reader of JSON and text that others wrote."""

from __future__ import annotations

import json
import os

import pytest

from edgediff_runtimes.errors import ComponentFileError
from edgediff_runtimes.untrusted.bounds import JSON_BYTES, JSON_DEPTH, Bound
from edgediff_runtimes.untrusted.documents import parse_json, read_bytes, read_json, read_text

SMALL = Bound(10, "this is a test")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "config.json"


def _read(file):
    return read_json(file, name="unet/config.json")


def test_an_object_comes_as_it_stands(file):
    values = {"a": [1, -2, 0.5, True, None, {"é": "猫\n\t"}], "no limit": 10**30, "": ""}
    file.write_text(json.dumps(values), encoding="utf-8")
    assert _read(file) == values
    file.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8-sig")
    assert _read(file) == values


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property"),
        ("[1]", "it is an array: expected an object"),
        ('"x"', "it is a text: expected an object"),
        ("3", "it is a number: expected an object"),
        ("null", "it is null: expected an object"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": Infinity}', "Infinity is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": 1e999}', "the number at `a` is too large for a double"),
        ('{"a": -1e999}', "too large for a double"),
        (f'{{"a": {"9" * 5000}}}', "999…9.* is too large for a double"),
        (f'{{"a": -{"9" * 309}}}', "too large for a double"),
        ('{"a": "\\ud800"}', r"the text '\\ud800' at `a` is no Unicode"),
        ('{"\\udcff": 1}', r"the text '\\udcff' at `\\udcff` is no Unicode"),
        ('{"a": [["\\ud800"]]}', r"at `a\[0\]\[0\]` is no Unicode"),
        ("[" * 100_000, "nested deeper than 32"),
        ('{"a":' * 600 + "0" + "}" * 600, "nested deeper than 32"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_such_object_is_said_on_one_short_line(file, text, problem):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(
        ComponentFileError, match=rf"`unet/config\.json` cannot be read as JSON \(.*{problem}"
    ) as caught:
        _read(file)
    assert len(caught.value.sentence) < 400
    assert caught.value.sentence.isprintable()


def test_the_deepest_that_is_read(file):
    deepest = JSON_DEPTH.most
    file.write_text('{"a":' * deepest + "0" + "}" * deepest, encoding="utf-8")
    assert _read(file)
    file.write_text('{"a":' * (deepest + 1) + "0" + "}" * (deepest + 1), encoding="utf-8")
    with pytest.raises(ComponentFileError, match="deeper"):
        _read(file)


def test_infinities_of_diffusers_are_read_where_they_are_asked_for():
    text = '{"lambda_min_clipped": -Infinity, "x": [Infinity]}'
    values = parse_json(text, infinities=True)
    assert values == {"lambda_min_clipped": "-inf", "x": ["inf"]}
    assert parse_json(json.dumps(values, allow_nan=False)) == values
    with pytest.raises(ValueError, match="NaN is not JSON"):
        parse_json('{"a": NaN}', infinities=True)


@pytest.mark.parametrize("text", ["\x1b[2J", "a\rb", "\x7f", "\x9b31m"])
def test_control_characters_are_refused_where_texts_are_shown(text):
    assert parse_json(json.dumps({"a": text})) == {"a": text}
    for values in ({"a": text}, {text: 1}, {"a": [{"b": text}]}):
        with pytest.raises(ValueError, match="has control characters") as caught:
            parse_json(json.dumps(values), printable=True)
        assert str(caught.value).isprintable()
    assert parse_json('{"a": "two\\nlines\\tand a tab"}', printable=True)


def test_not_utf_8(file):
    file.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ComponentFileError, match=r"cannot be read as text \(invalid start byte at byte 7\)"):
        _read(file)


def test_too_long(file):
    file.write_bytes(b"x" * 11)
    with pytest.raises(ComponentFileError, match=r"has 11 bytes: expected .* at most 10, because this is a test"):
        read_text(file, name="x", bound=SMALL)
    file.write_bytes(b"x" * 10)
    assert read_text(file, name="x", bound=SMALL) == "x" * 10
    os.truncate(file, 10 << 30)  # takes no room on the disk
    with pytest.raises(ComponentFileError, match=f"at most {JSON_BYTES.most:,}, because "):
        _read(file)


@pytest.mark.parametrize("name", ["nothing", "x" * 5000, "\ud800", "a\0b"])
def test_nothing_there(tmp_path, name):
    with pytest.raises(ComponentFileError, match="cannot be read"):
        read_bytes(tmp_path / name, name="x", bound=SMALL)


def test_a_directory(tmp_path):
    with pytest.raises(ComponentFileError, match="cannot be read"):
        read_bytes(tmp_path, name="x", bound=SMALL)


@pytest.mark.skipif(os.name == "nt", reason="it has no such files")
def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ComponentFileError, match="is a pipe or a device: expected a regular file"):
            read_bytes(place, name="x", bound=SMALL)
