"""The cache of compiled graphs: bounded, cleared, never in the way. An engine is a function that writes a file."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from edgediff_runtimes import compiled_cache
from edgediff_runtimes.compiled_cache import DEFAULT_LIMIT_BYTES, CompiledCache
from edgediff_runtimes.errors import ComponentFileError, EngineError, SettingError


@pytest.fixture
def cache(tmp_path):
    return CompiledCache(tmp_path / "compiled", limit=10_000)


@pytest.fixture
def compile_(cache):
    """Has a graph of a size compiled; the folders that were given are in ``folders``."""

    def compile_(name, size=1000, *, cache=cache, expected=0, write=True):
        def build(folder):
            compile_.folders.append(folder)
            if folder is not None and write:
                (folder / "blob").write_bytes(b"x" * size)
            return f"compiled {name}"

        return cache.compiled(name, {"role": name}, build, expected_bytes=expected)

    compile_.folders = []
    return compile_


def _names(cache):
    return [entry.name for entry in cache.entries()]


def _age(cache, name, seconds):
    """Make an entry look as if it was last used so long ago."""
    file = cache.path / name / "entry.json"
    os.utime(file, (file.stat().st_atime, file.stat().st_mtime - seconds))


def test_an_entry_is_kept_and_found_again(cache, compile_):
    assert compile_("a") == compile_("a") == "compiled a"
    first, second = compile_.folders
    assert first != second == cache.path / "a"
    (entry,) = cache.entries()
    assert entry.about == {"role": "a"}
    assert entry.bytes == sum(file.stat().st_size for file in (cache.path / "a").iterdir()) > 1000


def test_the_least_recently_used_go_first(cache, compile_):
    for index, name in enumerate("abc"):
        compile_(name, 3000)
        _age(cache, name, 100 - index)
    compile_("a", 3000)  # used again
    compile_("d", 3000)
    assert set(_names(cache)) == {"a", "c", "d"}
    assert sum(entry.bytes for entry in cache.entries()) <= cache.limit


def test_one_that_is_too_large_alone_is_not_kept(cache, compile_):
    assert compile_("a", 20_000) == "compiled a"
    assert _names(cache) == []


def test_one_that_is_expected_to_be_too_large_is_not_begun(cache, compile_):
    compile_("a", expected=cache.limit // 8 + 1)
    assert compile_.folders == [None]
    compile_("a", expected=cache.limit // 8)
    assert _names(cache) == ["a"]


def test_nothing_is_kept_with_a_limit_of_zero(tmp_path, compile_):
    compile_("a", cache=CompiledCache(tmp_path / "none", limit=0))
    assert compile_.folders == [None]
    assert not (tmp_path / "none").exists()


def test_an_engine_that_stores_nothing_leaves_nothing(cache, compile_):
    compile_("a", write=False)
    assert list(cache.path.iterdir()) == []


def test_clearing_deletes_entries_and_nothing_else(cache, compile_):
    compile_("a")
    compile_("b")
    (cache.path / ".part-left-by-a-killed-process").mkdir()
    (cache.path / "of-the-user").mkdir()
    (cache.path / "of-the-user" / "file").touch()
    (cache.path / "file").touch()
    assert sorted(entry.name for entry in cache.clear()) == ["a", "b"]
    assert sorted(path.name for path in cache.path.iterdir()) == ["file", "of-the-user"]
    assert cache.clear() == ()


def test_what_a_killed_process_left_goes_after_a_day(cache, compile_):
    for name, age_s in ((".part-old", 2 * 86400), (".part-new", 60)):
        compile_("a")
        folder = cache.path / name
        folder.mkdir()
        os.utime(folder, (folder.stat().st_atime, folder.stat().st_mtime - age_s))
    compile_("b")
    assert sorted(path.name for path in cache.path.iterdir()) == [".part-new", "a", "b"]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", None], ids=["empty", "no object", "no text", "missing"])
def test_a_spoilt_entry_is_made_again(cache, compile_, content):
    compile_("a")
    file = cache.path / "a" / "entry.json"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert _names(cache) == []
    assert compile_("a") == "compiled a"


LOST = "0123456789abcdef" * 2  # what an entry is called


@pytest.mark.parametrize("note", [None, b"{"], ids=["no note", "a damaged note"])
@pytest.mark.parametrize("cleared", [False, True])
def test_an_entry_without_a_usable_note_does_not_stay_for_ever(cache, compile_, note, cleared):
    (cache.path / LOST).mkdir(parents=True)
    (cache.path / LOST / "blob").write_bytes(b"x" * 50_000)  # more than the limit, and counted nowhere
    if note is not None:
        (cache.path / LOST / "entry.json").write_bytes(note)
    (cache.path / "of-the-user").mkdir()
    if cleared:
        cache.clear()
    else:
        compile_("a")
    assert sorted(path.name for path in cache.path.iterdir()) == sorted(["of-the-user", *["a"] * (not cleared)])


def test_a_blob_that_the_engine_cannot_use_is_thrown_away(cache, compile_):
    compile_("a")

    def build(folder):
        if folder is not None:
            raise EngineError("the blob is broken")
        return "compiled without"

    assert cache.compiled("a", {}, build, expected_bytes=0) == "compiled without"
    assert _names(cache) == []


def test_a_folder_that_the_engine_cannot_fill_is_no_reason_to_fail(cache):
    def build(folder):
        if folder is not None:
            (folder / "half").touch()
            raise EngineError("the disk is full")
        return "compiled without"

    assert cache.compiled("a", {}, build, expected_bytes=0) == "compiled without"
    assert list(cache.path.iterdir()) == []


def test_a_graph_that_cannot_be_compiled_is_told(cache):
    def build(_folder):
        raise EngineError("no such graph")

    with pytest.raises(EngineError, match="no such graph"):
        cache.compiled("a", {}, build, expected_bytes=0)
    assert list(cache.path.iterdir()) == []


def test_an_interrupt_leaves_nothing_half_written(cache):
    def build(folder):
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.compiled("a", {}, build, expected_bytes=0)
    assert list(cache.path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path, compile_):
    (tmp_path / "file").touch()
    cache = CompiledCache(tmp_path / "file" / "compiled", limit=1000)
    assert compile_("a", cache=cache) == "compiled a"
    assert compile_.folders == [None]
    assert cache.entries() == cache.clear() == ()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root and Windows may write anywhere")
def test_a_folder_without_permission(tmp_path, compile_):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert compile_("a", cache=CompiledCache(tmp_path / "locked" / "compiled")) == "compiled a"


def test_no_place_at_all(compile_):
    cache = CompiledCache(None)
    assert compile_("a", cache=cache) == "compiled a"
    assert cache.entries() == cache.clear() == ()


def test_several_at_the_same_time(cache, compile_):
    threads = [threading.Thread(target=compile_, args=("a",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _names(cache) == ["a"]
    assert [path.name for path in cache.path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("", DEFAULT_LIMIT_BYTES),
        ("0", 0),
        ("1000", 1000),
        ("2GB", 2 * 10**9),
        ("512MiB", 512 << 20),
        ("1.5 kb", 1500),
    ],
)
def test_the_limit(monkeypatch, text, limit):
    monkeypatch.setenv("EDGEDIFF_CACHE_LIMIT", text)
    assert CompiledCache.of_user().limit == limit


@pytest.mark.parametrize("text", ["many", "-1", "1 parsec", "1e9", "٣GB"])
def test_a_limit_that_is_none(monkeypatch, text):
    monkeypatch.setenv("EDGEDIFF_CACHE_LIMIT", text)
    with pytest.raises(SettingError, match=r"`EDGEDIFF_CACHE_LIMIT` is .*: expected a number of bytes such as 2GB"):
        CompiledCache.of_user()


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "/home/me/.cache/edgediff/compiled"),
        ("linux", {"XDG_CACHE_HOME": "/fast"}, "/fast/edgediff/compiled"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/edgediff/compiled"),
        ("darwin", {"XDG_CACHE_HOME": "/fast"}, "/home/me/Library/Caches/edgediff/compiled"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/edgediff/Cache/compiled"),
        ("win32", {}, None),
        ("linux", {"EDGEDIFF_CACHE": "/mine"}, "/mine/compiled"),
    ],
)
def test_where_it_is(monkeypatch, platform, variables, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "EDGEDIFF_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert CompiledCache.of_user().path == (None if expected is None else Path(expected).absolute())


def test_a_user_without_a_home(monkeypatch):
    def nowhere():
        raise RuntimeError("no home")

    monkeypatch.delenv("EDGEDIFF_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", nowhere)
    assert CompiledCache.of_user().path is None


def test_an_entry_tells_what_it_is(cache, compile_):
    compile_("a")
    assert json.loads((cache.path / "a" / "entry.json").read_text(encoding="utf-8")) == {"role": "a"}


@pytest.mark.parametrize("code", [errno.EACCES, errno.EMFILE])
@pytest.mark.parametrize("cleared", [False, True])
def test_an_entry_that_cannot_be_read_for_now_is_kept(cache, compile_, monkeypatch, code, cleared):
    (cache.path / LOST).mkdir(parents=True)
    (cache.path / LOST / "entry.json").write_text("{}", "utf-8")

    def refused(path, *_args, **_options):
        raise ComponentFileError("entry.json", "cannot be read") from OSError(code, os.strerror(code), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(compiled_cache, "read_json", refused)
        if cleared:
            cache.clear()
        else:
            compile_("a")
    assert LOST in {path.name for path in cache.path.iterdir()}


def test_an_entry_stays_where_no_other_can_be_begun(cache, compile_, monkeypatch):
    compile_("a")

    def refused(*_args, **_options):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(compiled_cache, "_read", lambda _path: None)
        patched.setattr(compiled_cache.tempfile, "mkdtemp", refused)
        assert compile_("a") == "compiled a"
    assert _names(cache) == ["a"]
