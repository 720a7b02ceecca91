"""Files that a command writes: whole or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgediff.targets import write_whole
from edgediff_runtimes.errors import EdgediffError


def test_two_that_write_the_same_file_do_not_write_into_each_others(monkeypatch, tmp_path):
    target, both = tmp_path / "a.json", threading.Barrier(2, timeout=60)
    renamed = Path.replace

    def replace(part, path):
        both.wait()  # both have written, neither has renamed
        return renamed(part, path)

    monkeypatch.setattr(Path, "replace", replace)
    failed = []

    def write(text):
        try:
            write_whole(target, text)
        except EdgediffError as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(text,)) for text in ("a" * 10, "b" * 20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    assert failed == []
    assert target.read_text("utf-8") in ("a" * 10, "b" * 20)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(EdgediffError, match=r"a.json` cannot be written"):
        write_whole(tmp_path / "a.json", "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
