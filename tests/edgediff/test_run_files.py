"""What `edgediff run` reads and writes: patterns, folders, stdin, stdout, sheets; and no file is lost."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import edgediff
from edgediff.cli import writing
from edgediff.cli.file_names import FileNames, plain_name
from edgediff.inspection.contact_sheet import contact_sheet
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.picture_files import read_metadata

DRAW = ["--seed", "7", "--steps", "1"]


@pytest.fixture
def stdin(monkeypatch):
    """Gives the command in this process something to read."""

    def stdin(data):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))

    return stdin


def _files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("x.png", ["x-0-0.png", "x-0-1.png", "x-1-0.png", "x-1-1.png"]),
        ("{seed}.png", ["7.png", "8.png", "9.png", "10.png"]),
        ("{index:03}-{prompt}.jpg", ["000-a-cat.jpg", "001-a-cat.jpg", "002-a-dog.jpg", "003-a-dog.jpg"]),
        ("{prompt}.png", ["a-cat-0.png", "a-cat-1.png", "a-dog-0.png", "a-dog-1.png"]),
        ("new/{prompt}/{seed}.webp", ["new/a-cat/7.webp", "new/a-cat/8.webp", "new/a-dog/10.webp", "new/a-dog/9.webp"]),
        ("{{{seed}}}.png", ["{7}.png", "{8}.png", "{9}.png", "{10}.png"]),
        ("deep/er/", [f"deep/er/edgediff-{seed}.png" for seed in (7, 8, 9, 10)]),
    ],
)
def test_patterns_and_folders(command, bundle, tmp_path, pattern, files):
    (tmp_path / "prompts.txt").write_text("a cat\na dog\n", encoding="utf-8")
    out = tmp_path / "out"
    outcome = command(
        "run", "--prompts", tmp_path / "prompts.txt", "-m", bundle, "-o", f"{out}/{pattern}", "-n2", *DRAW
    )
    assert outcome.code == 0, outcome.err
    assert _files(out) == sorted(files)
    assert sorted(outcome.out.splitlines()) == sorted(f"{out}/{name}" for name in files)


def test_a_folder_that_is_there_takes_the_pictures(command, bundle, tmp_path):
    (folder := tmp_path / "with {braces}").mkdir()
    for _ in range(2):
        assert command("run", "a", "-m", bundle, "-o", folder, *DRAW).code == 0
    assert _files(folder) == ["edgediff-7.png", "edgediff-7_2.png"]


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a red apple", "a-red-apple"),
        ("../../etc/passwd", "etc-passwd"),
        ("café, 🍎 übergroß!", "café-übergroß"),
        ("赤い リンゴ", "赤い-リンゴ"),
        ("", "untitled"),
        ("🍎", "untitled"),
        ("con", "con-"),
        ("Lpt1", "Lpt1-"),
        ("a\0b\ud800c", "a-b-c"),
        ("ä" * 100, "ä" * 50),
        ("{seed}", "seed"),
    ],
)
def test_a_prompt_in_a_name_is_plain(prompt, name):
    assert plain_name(prompt) == name


def test_equal_names_within_a_command_get_numbers(command, bundle, tmp_path):
    (tmp_path / "prompts.txt").write_text("a cat\na cat!\n", encoding="utf-8")
    (out := tmp_path / "out").mkdir()
    command("run", "--prompts", tmp_path / "prompts.txt", "-m", bundle, "-o", out / "{prompt}.png", *DRAW)
    assert _files(out) == ["a-cat.png", "a-cat_2.png"]


def test_a_file_is_replaced_by_overwrite_only(command, bundle, tmp_path):
    (tmp_path / "x.png").write_bytes(b"mine")
    outcome = command("run", "a", "-m", bundle, "-o", tmp_path / "x.png", *DRAW)
    assert (outcome.code, outcome.out) == (1, "")
    assert "hint: --overwrite replaces it" in outcome.err
    assert (tmp_path / "x.png").read_bytes() == b"mine"
    assert command("run", "a", "-m", bundle, "-o", tmp_path / "x.png", "--overwrite", *DRAW).code == 0
    assert read_metadata(tmp_path / "x.png")["settings"]["seed"] == 7


@pytest.mark.filterwarnings("default")
def test_a_file_that_appears_while_the_picture_is_drawn_stays_and_so_does_the_picture(
    command, bundle, tmp_path, monkeypatch
):
    taken, target = tmp_path / "x.png", tmp_path / "x_2.png"
    paths = FileNames.paths

    def late(names, *args):
        found = paths(names, *args)
        taken.write_bytes(b"mine")
        return found

    monkeypatch.setattr(FileNames, "paths", late)
    outcome = command("run", "a", "-m", bundle, "-o", taken, *DRAW)
    assert (outcome.code, outcome.out) == (0, f"{target}\n")
    assert outcome.err == f"warning: {taken} is there by now: the picture goes to {target}\n"
    assert taken.read_bytes() == b"mine"
    assert read_metadata(target)["settings"]["seed"] == 7


def test_a_random_seed_in_a_name_overwrites_nothing(tmp_path):
    names = FileNames.of(str(tmp_path / "{seed}.png"), texts=1, images=1, overwrite=False)
    names.check(["a"], None)
    (tmp_path / "5.png").touch()
    assert names.paths(0, "a", (5,)) == [tmp_path / "5_2.png"]


def test_a_prompt_from_stdin(command, bundle, tmp_path, stdin):
    stdin("\ufeffa café 🍎\n".encode())
    outcome = command("run", "-", "-m", bundle, "-o", tmp_path / "x.png", *DRAW)
    assert outcome.code == 0, outcome.err
    assert read_metadata(tmp_path / "x.png")["settings"]["prompts"] == ["a café 🍎"]


def test_prompts_from_stdin(command, bundle, tmp_path, stdin):
    stdin(b"a cat\r\n\n  a dog\n")
    outcome = command("run", "--prompts", "-", "-m", bundle, "-o", tmp_path / "{prompt}.png", *DRAW)
    assert outcome.out.splitlines() == [f"{tmp_path}/a-cat.png", f"{tmp_path}/a-dog.png"]


@pytest.mark.parametrize("data", [b"", b" \n", b"\xff\xfe"])
@pytest.mark.parametrize("args", [["-"], ["--prompts", "-"]])
def test_nothing_to_read_on_stdin(command, bundle, stdin, data, args):
    stdin(data)
    outcome = command("run", *args, "-m", bundle)
    assert (outcome.code, outcome.out) == (1, "")
    assert "is '-': expected a" in outcome.err


@pytest.mark.parametrize("args", [["-"], ["--prompts", "-"]])
def test_a_stdin_that_is_closed(command, bundle, monkeypatch, args):
    monkeypatch.setattr(sys, "stdin", None)  # what Python makes of `<&-`
    outcome = command("run", *args, "-m", bundle)
    assert outcome.code == 1
    assert "is '-': expected a prompt on stdin, which is closed" in outcome.err


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
@pytest.mark.parametrize("args", [["run", "a cat", "-o", "-", "-m"], ["bench", "--json", "-"]], ids=["run", "bench"])
def test_a_stdout_that_is_closed(bundle, args):
    words = [sys.executable, "-c", "from edgediff.cli import main; main()", *args, str(bundle)]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *words], stderr=subprocess.PIPE, encoding="utf-8", check=False
    )
    assert done.returncode == 2
    assert "writes to stdout, which is closed" in done.stderr


@pytest.mark.parametrize("more", [[], ["-n", "4", "--grid"]], ids=["one", "sheet"])
def test_a_png_on_stdout(bundle, tmp_path, more):
    code = "from edgediff.cli import main; main()"
    args = ["run", "-", "-m", str(bundle), "-o", "-", *DRAW, *more]
    done = subprocess.run(
        [sys.executable, "-c", code, *args], input=b"a cat\n", capture_output=True, check=True, cwd=tmp_path
    )
    assert done.stderr == b""
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert image.format == "PNG"
        image.load()
        assert image.size == ((64, 64) if not more else (2 * 200 + 8, 2 * (192 + 25) + 8))
    if not more:
        (tmp_path / "x.png").write_bytes(done.stdout)
        assert read_metadata(tmp_path / "x.png")["settings"]["prompts"] == ["a cat"]


def test_no_png_on_a_terminal(monkeypatch):
    monkeypatch.setattr(writing.sys, "stdout", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(Exception, match="which is a terminal: expected a pipe"):
        writing.writer("-", ["a"], {}, overwrite=False, grid=False, as_json=False)


def test_a_sheet_beside_the_pictures(command, bundle, tmp_path):
    outcome = command("run", "a", "-m", bundle, "-o", tmp_path / "x.png", "-n", "3", "--grid", "--json", *DRAW)
    (report,) = json.loads(outcome.out)
    assert report["sheet"] == str(tmp_path / "x-grid.png")
    assert _files(tmp_path) == ["x-0.png", "x-1.png", "x-2.png", "x-grid.png"]
    sheet = np.asarray(Image.open(tmp_path / "x-grid.png"))
    for index, (top, left) in enumerate([(8, 8), (8, 208), (225, 8)]):
        with Image.open(tmp_path / f"x-{index}.png") as image:
            expected = np.asarray(image).repeat(3, axis=0).repeat(3, axis=1)
        np.testing.assert_array_equal(sheet[top : top + 192, left : left + 192], expected)


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (2, (2, 1)), (4, (2, 2)), (5, (3, 2)), (9, (3, 3))])
def test_a_sheet_is_as_square_as_can_be(count, shape):
    sheet = contact_sheet([(Image.new("RGB", (320, 160)), "a very long prompt " * 20)] * count)
    assert sheet.size == (shape[0] * 328 + 8, shape[1] * (160 + 25) + 8)


def test_width_and_height(command, bundle, tmp_path):
    command("run", "a", "-m", bundle, "-o", tmp_path / "x.png", "--width", "72", *DRAW)
    settings = read_metadata(tmp_path / "x.png")["settings"]
    assert (settings["width"], settings["height"]) == (72, 64)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("num_inference_steps", "steps"),
        ("cfg_scale", "guidance"),
        ("guidance_scale", "guidance"),
        ("eta", "sampler_op"),
    ],
)
def test_python_names_what_an_option_is_called_here(bundle, theirs, ours):
    with edgediff.load(bundle) as pipeline, pytest.raises(SettingError) as caught:
        pipeline("a", **{theirs: 5})
    assert caught.value.hint.startswith(f"it is called `{ours}")
