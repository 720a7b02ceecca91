"""The page on embedding: every example on it runs, and says what the package has for PyInstaller."""

from __future__ import annotations

import re
import runpy
import sys
import time
import types
from collections import deque
from importlib.util import find_spec
from pathlib import Path

import pytest

import edgediff
from edgediff.freezing import hook_folders
from edgediff_runtimes.engines import ENGINES

PAGE = Path(__file__).parents[2] / "docs" / "embedding.md"
TEXT = PAGE.read_text(encoding="utf-8")
MOST_LOOKS = 30_000  # of the window at its queue, 20 ms apart


class _Widget:
    """A widget without a screen: what it was told last."""

    def __init__(self, parent=None, *, text="", command=None):
        self.told, self.command = {"text": text}, command
        if parent is not None:
            parent.children[text or len(parent.children)] = self

    def pack(self):
        """Nothing to place."""

    def config(self, **options):
        self.told.update(options)

    def get(self):
        return "a sailboat"


class _Root(_Widget):
    """A window whose loop plays a user: draw, wait for it, draw again, cancel."""

    def __init__(self):
        super().__init__()
        self.children, self._later, self.seen = {}, deque(), []

    def after(self, milliseconds, function):
        self._later.append((milliseconds, function))

    def mainloop(self):
        self.children["Draw"].command()
        ends = iter(["done", "cancelled"])
        awaited = next(ends)
        for _ in range(MOST_LOOKS):
            milliseconds, function = self._later.popleft()
            time.sleep(milliseconds / 1000)
            function()
            told = [widget.told.get("text") for widget in self.children.values()]
            self.seen.append([text for text in told if text])
            if awaited in told:
                if (awaited := next(ends, None)) is None:
                    return
                self.children["Draw"].command()
                self.children["Cancel"].command()
        pytest.fail(f"the window never said {awaited!r}: {self.seen[-1]}")


@pytest.fixture
def windows(monkeypatch):
    """``tkinter`` where there is no screen; every window that was opened."""
    opened = []

    def tk():
        opened.append(_Root())
        return opened[-1]

    toolkit = types.ModuleType("tkinter")
    toolkit.Tk, toolkit.Entry, toolkit.Label, toolkit.Button = tk, _Widget, _Widget, _Widget
    pictures = types.ModuleType("PIL.ImageTk")
    pictures.PhotoImage = lambda image: image
    monkeypatch.setitem(sys.modules, "tkinter", toolkit)
    monkeypatch.setitem(sys.modules, "PIL.ImageTk", pictures)
    monkeypatch.setattr("PIL.ImageTk", pictures, raising=False)
    return opened


def test_every_example_runs_one_after_the_other(windows, tmp_path, monkeypatch, capsys):
    examples = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(examples) == 4
    monkeypatch.chdir(tmp_path)
    names = {}
    for example in examples:
        exec(compile(example, "embedding.md", "exec"), names)  # noqa: S102 - the examples are ours
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line.endswith("/20")] == [f"{i + 1}/20" for i in range(20)]
    assert [line for line in printed if line.endswith("/4")] == [f"{i + 1}/4" for i in range(4)]
    assert {path.name for path in tmp_path.iterdir()} == {"apple.png", "frog.png"}
    (window,) = windows
    assert window.children[1].told["image"].size == (256, 256)
    assert any("20/20" in told or "done" in told for told in window.seen)


@pytest.fixture
def hook():
    """What a hook names, as PyInstaller reads it."""
    (folder,) = hook_folders()  # ``test_wheel.py`` sees to it that PyInstaller is told of this function
    return lambda module: runpy.run_path(str(Path(folder) / f"hook-{module}.py"))


def test_every_hook_is_of_a_module_that_is_there():
    hooks = [path for folder in hook_folders() for path in Path(folder).glob("hook-*.py")]
    assert len(hooks) == 3
    for path in hooks:
        assert find_spec(path.stem.removeprefix("hook-")), path


def test_the_hooks_name_what_is_imported_by_name(hook):
    package = hook("edgediff")
    assert {getattr(edgediff, name).__module__ for name in ("load", "Pipeline", "EdgediffError")} == {
        *("edgediff.api", "edgediff_runtimes.pipeline", "edgediff_runtimes.errors")
    } & {*package["hiddenimports"]}
    assert package["excludedimports"] == ["edgediff_exporters"]
    assert set(hook("edgediff_runtimes")["hiddenimports"]) == {module for module, _, _ in ENGINES.values()}


def test_the_models_come_along_to_where_they_are_looked_for(hook):
    datas = hook("edgediff")["datas"]
    assert [(Path(source) / "emoji-lcm" / "edgediff.json").is_file() for source, _ in datas].count(True) == 1
    for source, target in datas:
        assert (Path(edgediff.__file__).parent.parent / target).resolve() == Path(source).resolve()


def test_openvino_s_plugins_come_along(hook):
    pytest.importorskip("openvino")
    found = hook("openvino")
    names = [Path(path).name for path, target in found["binaries"] if target == "openvino/libs"]
    assert len(names) == len(found["binaries"])
    for needed in ("intel_cpu_plugin", "ir_frontend", "onnx_frontend", "tbb"):
        assert any(needed in name for name in names), needed
    assert not any("pytorch" in name for name in names)


def test_without_openvino_its_hook_names_nothing(hook, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    found = hook("openvino")
    assert (found["binaries"], found["datas"]) == ([], [])
