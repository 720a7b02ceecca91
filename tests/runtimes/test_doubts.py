"""Sizes and words that a model was not made for are warned of; all others are not."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgediff_runtimes.bundle import Bundle, Manifest
from edgediff_runtimes.doubts import doubts, words_of
from edgediff_runtimes.errors import ComponentFileError, ManifestError
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.untrusted.bounds import Bound

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle"
SETTINGS = Settings(("a red apple",), (), 1, 0, "torch-cpu", 1, 1.0, 0.0, None, {}, 64, 64)


@pytest.fixture
def taught(tmp_path):
    """A bundle with a vocabulary of three words."""

    def taught(content=b"a\napple\nred\n"):
        folder = shutil.copytree(GOLDEN, tmp_path / "taught", dirs_exist_ok=True)
        (folder / "vocabulary.txt").write_bytes(content)
        values = json.loads((folder / "edgediff.json").read_text("utf-8"))
        entry = {"path": "vocabulary.txt", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        values["provenance"]["vocabulary"] = entry
        (folder / "edgediff.json").write_text(json.dumps(values), encoding="utf-8")
        return folder

    return taught


@pytest.mark.parametrize(
    ("width", "height", "doubtful"),
    [(64, 64, False), (72, 64, False), (120, 40, False), (128, 64, True), (512, 512, True), (64, 32, True)],
)
def test_sizes(width, height, doubtful):
    found = doubts(Bundle.open(GOLDEN), replace(SETTINGS, width=width, height=height))
    expected = f"the model was made for pictures of 64x64: at {width}x{height} expect repetitions or blots"
    assert found == ([expected] if doubtful else [])


def test_a_bundle_without_a_vocabulary_knows_every_word():
    assert doubts(Bundle.open(GOLDEN), replace(SETTINGS, prompts=("xyzzy",))) == []


@pytest.mark.parametrize(
    ("prompt", "quoted"),
    [
        ("a red apple", None),
        ("A RED, apple's 42!", None),
        ("", None),
        ("a blue apple", "`blue`"),
        ("xyzzy and blue apple", "`and`, `blue`, `xyzzy`"),
        ("one two three four five six seven", "`five`, `four`, `one`, `seven`, `six` and 2 more"),
    ],
)
def test_words(taught, prompt, quoted):
    found = doubts(Bundle.open(taught()), replace(SETTINGS, prompts=(prompt,)))
    sentence = f"the model was not taught {quoted}: it draws the nearest of its 3 words, or a blot"
    assert found == ([] if quoted is None else [sentence])


def test_words_of_other_scripts():
    assert words_of("Café, ÜBER 赤い リンゴ x 3") == {"café", "über", "赤い", "リンゴ"}


def test_a_vocabulary_is_a_file_of_the_bundle(taught):
    folder = taught()
    bundle = Bundle.open(folder)
    assert "vocabulary.txt" in [entry.path for entry in bundle.files()]
    assert Manifest.from_json(bundle.manifest.to_json()) == bundle.manifest
    (folder / "vocabulary.txt").write_text("a\nred\nother\n", encoding="utf-8")
    with pytest.raises(ComponentFileError, match=r"`vocabulary\.txt` was altered|has .* bytes"):
        Bundle.open(folder).check_hashes()
    (folder / "vocabulary.txt").unlink()
    with pytest.raises(ComponentFileError, match=r"`vocabulary\.txt` is missing"):
        Bundle.open(folder)


def test_a_bundle_without_one_keeps_its_manifest_s_text():
    assert "vocabulary" not in Bundle.open(GOLDEN).manifest.to_json()


def test_a_vocabulary_that_is_no_text(taught):
    with pytest.raises(ComponentFileError, match=r"vocabulary\.txt` cannot be read as text"):
        doubts(Bundle.open(taught(b"\xff\xfe")), SETTINGS)


def test_a_vocabulary_that_is_no_file(taught):
    path = taught() / "edgediff.json"
    values = json.loads(path.read_text("utf-8"))
    values["provenance"]["vocabulary"] = ["apple"]
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ManifestError, match=r"`provenance\.vocabulary` is"):
        Bundle.open(path.parent)


def test_a_vocabulary_that_is_too_long_is_not_read(taught, monkeypatch):
    bundle = Bundle.open(taught())
    monkeypatch.setattr("edgediff_runtimes.doubts.TEXT_BYTES", Bound(3, "this is a test"))
    with pytest.raises(
        ComponentFileError, match=r"`vocabulary\.txt` has 12 bytes: expected a whole number of at most 3"
    ):
        doubts(bundle, SETTINGS)
