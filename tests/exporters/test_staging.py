from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from edgediff_exporters import exclusive_rename, export, staging
from edgediff_exporters.exclusive_rename import rename_exclusively
from edgediff_exporters.staging import check_target, staged
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
    assert "`overwrite=True`" in str(caught.value.hint)
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

    def fail_for_new(folder, target):
        if "-new-" in folder.name:
            raise OSError(errno.EIO, "broken")
        rename_exclusively(folder, target)

    monkeypatch.setattr(staging, "rename_exclusively", fail_for_new)
    with pytest.raises(TargetError, match="`bundle` cannot be written: broken"):
        make(tmp_path / "bundle", overwrite=True)
    assert names(tmp_path) == ["bundle"]
    assert (tmp_path / "bundle" / "edgediff.json").read_text() == "old"


@pytest.fixture(params=["system", "claim"])
def way(request, monkeypatch):
    """Both ways to rename exclusively: the system's own call, and what stands in for it where there is none."""
    if request.param == "claim":
        monkeypatch.setattr(exclusive_rename, "_rename_by_system", lambda *_paths: False)


def appear(target, kind):
    """Somebody makes something at the target while an export works."""
    if kind == "file":
        target.write_text("years of work")
    elif kind == "link":
        (target.parent / "elsewhere").mkdir()
        target.symlink_to("elsewhere")
    elif kind == "dangling link":
        target.symlink_to("nowhere")
    else:
        target.mkdir()
        if kind == "directory":
            (target / "thesis.txt").write_text("years of work")


def contents(folder):
    """Everything in a directory: where links lead, what files say."""
    return {
        path.relative_to(folder).as_posix(): str(path.readlink())
        if path.is_symlink()
        else path.read_text()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


KINDS = ["file", "directory", "empty directory", "link", "dangling link"]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", KINDS)
def test_what_appears_at_the_target_meanwhile_is_kept(tmp_path, kind):
    def raced():
        with staged(tmp_path / "bundle", overwrite=False) as folder:
            (folder / "edgediff.json").write_text("new")
            appear(tmp_path / "bundle", kind)
            before.update({name: value for name, value in contents(tmp_path).items() if ".edgediff-" not in name})

    before = {}
    with pytest.raises(TargetError, match="`bundle` appeared while the export worked: it is left as it is"):
        raced()
    assert before
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", KINDS)
def test_overwriting_keeps_what_is_no_bundle_and_appears_meanwhile(tmp_path, kind):
    def raced():
        with staged(tmp_path / "bundle", overwrite=True) as folder:
            (folder / "edgediff.json").write_text("new")
            appear(tmp_path / "bundle", kind)
            before.update({name: value for name, value in contents(tmp_path).items() if ".edgediff-" not in name})

    before = {}
    with pytest.raises(TargetError, match="`bundle` exists and is not a bundle"):
        raced()
    assert contents(tmp_path) == before


def test_what_slips_in_between_look_and_move_is_put_back(tmp_path, monkeypatch):
    looks = []

    def refuse(target, *, overwrite):
        looks.append(overwrite)
        if len(looks) == 2:  # the look right before the move
            (target / "edgediff.json").unlink()
            (target / "thesis.txt").write_text("years of work")

    make(tmp_path / "bundle", "old")
    monkeypatch.setattr(staging, "check_target", refuse)
    with pytest.raises(TargetError, match="`bundle` exists and is not a bundle"):
        make(tmp_path / "bundle", overwrite=True)
    assert contents(tmp_path) == {"bundle": None, "bundle/thesis.txt": "years of work"}


def six_at_once(target, *, overwrite):
    """Six exports that reach their last move together; what each of them was told."""
    gate, told = threading.Barrier(6), []

    def one(number):
        try:
            with staged(target, overwrite=overwrite) as folder:
                (folder / "edgediff.json").write_text(str(number))
                gate.wait()
        except TargetError as error:
            told.append(error.sentence)
        else:
            told.append(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


@pytest.mark.usefixtures("way")
def test_of_six_exports_to_one_target_exactly_one_reports_success(tmp_path):
    told = six_at_once(tmp_path / "bundle", overwrite=False)
    (winner,) = [entry for entry in told if isinstance(entry, int)]
    assert sum("appeared while the export worked" in str(entry) for entry in told) == 5
    assert contents(tmp_path) == {"bundle": None, "bundle/edgediff.json": str(winner)}


@pytest.mark.usefixtures("way")
def test_six_that_overwrite_one_target_leave_a_whole_one(tmp_path):
    make(tmp_path / "bundle", "old")
    told = six_at_once(tmp_path / "bundle", overwrite=True)
    winners = [str(entry) for entry in told if isinstance(entry, int)]
    assert (tmp_path / "bundle" / "edgediff.json").read_text() in winners
    assert names(tmp_path) == ["bundle"]


@pytest.mark.skipif(os.name == "nt", reason="directories are not flushed there")
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_drive_that_cannot_flush_directories_is_written_to(tmp_path, monkeypatch, code):
    flush, flushed = os.fsync, []

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        flush(descriptor)
        flushed.append(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    make(tmp_path / "bundle")
    assert contents(tmp_path) == {"bundle": None, "bundle/edgediff.json": "new"}
    assert len(flushed) == 1  # files are flushed all the same


def test_a_disk_that_fails_while_it_flushes_is_told(tmp_path, monkeypatch):
    def fsync(_descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(TargetError, match="`bundle` cannot be written: input/output error"):
        make(tmp_path / "bundle")
    assert names(tmp_path) == []


def test_a_file_above_the_systems_limit_is_one_sentence(tmp_path):
    def limited():
        with staged(tmp_path / "bundle", overwrite=False):
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    with pytest.raises(TargetError, match="`bundle` cannot be written: file too large"):
        limited()


def test_a_name_that_no_file_can_have(tmp_path):
    with pytest.raises(TargetError, match=r"cannot be written there: .*null"):
        make(tmp_path / "a\0b")


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b", "a" * 5000], ids=["zero byte", "surrogate", "long"])
def test_a_name_that_no_file_has_is_refused_before_the_source_is_opened(tmp_path, name):
    with pytest.raises(TargetError, match=r"cannot be written there: .*(null|surrogates|long)"):
        check_target(tmp_path / name, overwrite=False)
    with pytest.raises(TargetError, match=r"cannot be written there: .*too long"):
        make(tmp_path / ("n" * 300))


def test_a_bundle_that_was_half_deleted_is_never_put_back(tmp_path, monkeypatch):
    make(tmp_path / "bundle", "old")
    deleted = []
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_options: deleted.append(path.name))
    make(tmp_path / "bundle", overwrite=True)
    assert deleted
    assert all(".edgediff-new-" in name for name in deleted)


@pytest.mark.parametrize("pid", ["99999999999999999999999", "0", "\u0664\u0664\u0664\u0664\u0664\u0664\u0664"])
def test_what_only_looks_like_a_leftover_stays(tmp_path, pid):
    folder = leftover(tmp_path / "other", "new", pid=pid)
    make(tmp_path / "bundle")
    assert names(tmp_path) == sorted(["bundle", folder.name])


def test_a_replaced_bundle_is_not_removed_for_what_is_no_bundle(tmp_path):
    folder = leftover(tmp_path / "other", "old")
    (tmp_path / "other").write_text("years of work")
    make(tmp_path / "bundle")
    assert names(tmp_path) == sorted(["bundle", "other", folder.name])


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
