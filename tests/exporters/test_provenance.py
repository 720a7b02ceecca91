"""What a bundle tells of its origin: the licence and the card that the source states, and nothing of the machine."""

from __future__ import annotations

import hashlib
import shutil
import tracemalloc
from importlib.metadata import version
from pathlib import Path

import pytest

from edgediff_exporters.precision import tools
from edgediff_exporters.provenance import provenance
from edgediff_exporters.sources import open_source
from edgediff_runtimes.bundle import FileEntry
from edgediff_runtimes.errors import SourceError

CARD = "---\ntags: [toy]\nlicense: 'apache-2.0'\n---\n\n# A toy\n\nTrained on nothing; é.\n"


@pytest.fixture
def source(sd1, tmp_path):
    folder = shutil.copytree(sd1, tmp_path / "source")
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    return folder


def made_from(source, tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    return provenance(open_source(source, config=None), Path("bundle"), folder, ["--x"]), folder


def test_the_card_goes_along(source, tmp_path):
    found, folder = made_from(source, tmp_path)
    assert (folder / "README.md").read_text(encoding="utf-8") == CARD
    data = CARD.encode()
    assert found.card == FileEntry("README.md", len(data), hashlib.sha256(data).hexdigest())
    assert found.licence == "apache-2.0"
    assert found.command == "edgediff export source bundle --x"
    assert str(tmp_path) not in repr(found)


def test_the_vocabulary_goes_along(source, tmp_path):
    (source / "vocabulary.txt").write_bytes(b"apple\nred\n")
    found, folder = made_from(source, tmp_path)
    assert found.vocabulary == FileEntry("vocabulary.txt", 10, hashlib.sha256(b"apple\nred\n").hexdigest())
    assert (folder / "vocabulary.txt").read_bytes() == b"apple\nred\n"


@pytest.mark.parametrize(
    ("content", "words"), [(b"\xff\xfe", "cannot be read as text"), (b"a" * (17 << 20), "at most")]
)
def test_a_vocabulary_that_no_run_reads_is_refused(source, tmp_path, content, words):
    (source / "vocabulary.txt").write_bytes(content)
    with pytest.raises(SourceError, match=f"^`vocabulary.txt` .*{words}"):
        made_from(source, tmp_path)


def test_a_licence_that_cannot_be_shown_is_escaped(source, tmp_path):
    (source / "README.md").write_text("---\nlicense: my\x1b[2J own\n---\n", encoding="utf-8")
    assert made_from(source, tmp_path)[0].licence == "my\\x1b[2J own"


def test_a_long_card_is_not_read_whole(source, tmp_path):
    (source / "README.md").write_bytes(b"---\nlicense: mit\n---\n" + b"x" * (32 << 20))
    tracemalloc.start()
    try:
        found = made_from(source, tmp_path)[0]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.licence == "mit"
    assert peak < 32 << 20


def test_a_source_without_a_card(sd1, tmp_path):
    found, folder = made_from(sd1, tmp_path)
    assert (found.card, found.licence) == (None, None)
    assert list(folder.iterdir()) == []


def test_tools_that_take_part_only_now_and_then_are_named(sd1, tmp_path):
    usual = made_from(sd1, tmp_path)[0].tools
    assert {"openvino", "nncf"}.isdisjoint(usual)
    assert tools("onnx", ["int8"]) == ()
    assert tools("openvino", ["fp32"]) == ("openvino", "openvino-tokenizers")
    assert tools("openvino", ["w8", "int8"]) == ("openvino", "openvino-tokenizers", "nncf")
    named = tools("openvino", ["int8"])
    (tmp_path / "second").mkdir()
    found = provenance(open_source(sd1), Path("bundle"), tmp_path / "second", [], tools=named).tools
    assert found == {**usual, **{name: version(name) for name in named}}
