from __future__ import annotations

import errno
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgediff_exporters import export
from edgediff_exporters.staging import staged
from edgediff_runtimes.errors import TargetError

DEAD_PID = 2**22 + 1  # above the largest that Linux gives


def make(target, text="new", **options):
    with staged(target, **{"overwrite": False, **options}) as folder:
        (folder / "edgediff.json").write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def leftover(target, kind, pid=DEAD_PID):
    host = re.sub(r"\W", "", platform.node()) or "localhost"
    folder = target.with_name(f".{target.name}.edgediff-{kind}-{host}-{pid}")
    folder.mkdir()
    (folder / "edgediff.json").write_text(kind)
    return folder


def test_it_appears_whole(tmp_path):
    make(tmp_path / "bundle")
    assert names(tmp_path) == ["bundle"]
    assert (tmp_path / "bundle" / "edgediff.json").read_text() == "new"


def test_an_existing_target_is_refused_and_untouched(tmp_path):
    make(tmp_path / "bundle", "old")
    with pytest.raises(TargetError, match="`bundle` exists") as caught:
        make(tmp_path / "bundle")
    assert "--overwrite" in str(caught.value.hint)
    assert (tmp_path / "bundle" / "edgediff.json").read_text() == "old"


def test_overwriting_replaces_it(tmp_path):
    make(tmp_path / "bundle", "old")
    make(tmp_path / "bundle", overwrite=True)
    assert names(tmp_path) == ["bundle"]
    assert (tmp_path / "bundle" / "edgediff.json").read_text() == "new"


def test_only_a_bundle_is_overwritten(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat")
    with pytest.raises(TargetError, match="is not a bundle: only a bundle is overwritten"):
        make(tmp_path / "photos", overwrite=True)
    assert names(tmp_path / "photos") == ["cat.jpg"]


def test_a_missing_parent_is_refused(tmp_path):
    with pytest.raises(TargetError, match="the directory `nowhere` does not exist"):
        make(tmp_path / "nowhere" / "bundle")


@pytest.mark.parametrize("error", [RuntimeError("wrong"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_one_and_no_litter(tmp_path, error):
    make(tmp_path / "bundle", "old")

    def fail():
        with staged(tmp_path / "bundle", overwrite=True) as folder:
            (folder / "half").write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert names(tmp_path) == ["bundle"]
    assert (tmp_path / "bundle" / "edgediff.json").read_text() == "old"


def test_a_failing_rename_puts_the_old_one_back(tmp_path, monkeypatch):
    make(tmp_path / "bundle", "old")
    rename = Path.rename

    def fail_for_new(self, target):
        if "-new-" in self.name:
            raise OSError(errno.EIO, "broken")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(OSError, match="broken"):
        make(tmp_path / "bundle", overwrite=True)
    assert names(tmp_path) == ["bundle"]
    assert (tmp_path / "bundle" / "edgediff.json").read_text() == "old"


def test_what_a_killed_export_left_is_removed(tmp_path):
    leftover(tmp_path / "other", "new")
    make(tmp_path / "bundle")
    assert names(tmp_path) == ["bundle"]


def test_what_a_killed_export_was_replacing_is_put_back(tmp_path):
    leftover(tmp_path / "other", "old")
    make(tmp_path / "bundle")
    assert (tmp_path / "other" / "edgediff.json").read_text() == "old"


def test_the_work_of_a_living_export_stays(tmp_path):
    living = leftover(tmp_path / "other", "new", pid=os.getpid())
    make(tmp_path / "bundle")
    assert names(tmp_path) == sorted(["bundle", living.name])


def test_a_full_disk_is_one_sentence(sd1, tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("edgediff_exporters.graph_file._HashedStream.write", full)
    monkeypatch.setattr("edgediff_exporters.graph_file.INLINE_BYTES", 0)
    with pytest.raises(TargetError, match="`bundle` cannot be written: the disk is full") as caught:
        export(sd1, tmp_path / "bundle")
    assert "\n" not in caught.value.sentence
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_export_leaves_the_target_alone_and_the_next_one_cleans_up(sd1, tmp_path):
    make(tmp_path / "bundle", "old")
    code = "import sys, edgediff_exporters as e; e.export(sys.argv[1], sys.argv[2], overwrite=True)"
    process = subprocess.Popen([sys.executable, "-c", code, str(sd1), str(tmp_path / "bundle")])
    while not (litter := list(tmp_path.glob(".bundle.edgediff-new-*/text_encoder/model.onnx"))):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "bundle" / "edgediff.json").read_text() == "old"
    assert litter[0].exists()
    make(tmp_path / "another")
    assert names(tmp_path) == ["another", "bundle"]


def test_the_source_is_never_overwritten(sd1):
    with pytest.raises(TargetError, match="holds the source itself"):
        export(sd1, sd1, overwrite=True)
    with pytest.raises(TargetError, match="holds the source itself"):
        export(sd1, sd1.parent, overwrite=True)
