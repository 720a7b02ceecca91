"""``--lora`` and ``--embedding`` with a shipped model, in both engines."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from edgediff_runtimes.picture_files import read_metadata

DRAW = ("-m", "emoji-lcm", "--seed", "3", "--steps", "2")


@pytest.fixture
def lora(golden, tmp_path):
    """A copy of the trained LoRA, in a folder of its own."""
    (tmp_path / "loras").mkdir()
    return shutil.copy(golden / "lora" / "violet-ink.safetensors", tmp_path / "loras" / "ink=2.safetensors")


@pytest.fixture
def embedding(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((2, 128)).astype(np.float32)
    save_file({"<owl>": vectors}, tmp_path / "owl.safetensors")
    return tmp_path / "owl.safetensors"


def pixels(path):
    return np.asarray(Image.open(path)).astype(int)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_lora_is_drawn_with_and_told_of(command, lora, tmp_path, engine):
    plain, with_it = tmp_path / "plain.png", tmp_path / "with.png"
    command("run", "a house", *DRAW, "--engine", engine, "-o", plain)
    outcome = command("run", "a house", *DRAW, "--engine", engine, "-o", with_it, "--lora", f"{lora}=0.8", "--json")
    (report,) = json.loads(outcome.out)
    (told,) = report["loras"]
    assert (told["name"], told["scale"], told["unbound"]) == ("ink=2.safetensors", 0.8, 0)
    assert told["layers"]["unet"] > 30
    assert read_metadata(with_it)["loras"] == report["loras"]
    assert str(tmp_path) not in json.dumps(read_metadata(with_it))
    assert "loras" not in read_metadata(plain)
    assert np.abs(pixels(plain) - pixels(with_it)).mean() > 5


def test_both_engines_draw_the_same(command, lora, embedding, tmp_path):
    drawn = []
    for engine in ("onnxruntime", "openvino"):
        drawn.append(tmp_path / f"{engine}.png")
        given = ("--lora", lora, "--embedding", embedding, "--engine", engine)
        assert command("run", "a <owl>", *DRAW, *given, "-o", drawn[-1]).code == 0
    assert np.abs(pixels(drawn[0]) - pixels(drawn[1])).max() <= 2


def test_repeat_finds_the_files_by_their_hashes(command, lora, embedding, tmp_path, monkeypatch):
    first = tmp_path / "first.png"
    given = ("--lora", f"{lora}=0.5", "--embedding", embedding)
    command("run", "a <owl>", *DRAW, *given, "-o", first)
    again = tmp_path / "again.png"
    outcome = command("run", "--repeat", first, "-m", "emoji-lcm", "-o", again)  # the LoRA is in another folder
    assert outcome.code == 1
    assert "the file that the picture was drawn with, whose SHA-256 is" in outcome.err
    assert "hint: name it with `--lora` or `--embedding`" in outcome.err
    outcome = command("run", "--repeat", first, "-m", "emoji-lcm", "-o", again, "--lora", f"{lora}=0.7")
    assert (outcome.code, f"was drawn with {lora}=0.5: expected no other scale" in outcome.err) == (2, True)
    facts = command("inspect", first).out.splitlines()
    assert any(line.startswith("computed:") and "unet onnxruntime f32, calls: " in line for line in facts)
    assert command("run", "--repeat", first, "-m", "emoji-lcm", "-o", again, "--lora", lora).code == 0
    assert (pixels(first) == pixels(again)).all()
    assert read_metadata(first) == read_metadata(again)
    outcome = command("run", "--repeat", first, "-m", "emoji-lcm", "--lora", lora, "--lora", embedding)
    assert outcome.code == 2
    assert f"was drawn with another --lora than {embedding}" in outcome.err
    monkeypatch.chdir(tmp_path / "loras")
    outcome = command("run", "--repeat", first, "-m", "emoji-lcm", "-o", again, "--overwrite")
    assert (outcome.code, outcome.err) == (0, "")


def test_repeat_takes_no_file_that_the_picture_has_not(command, lora, tmp_path):
    first = tmp_path / "first.png"
    command("run", "a house", *DRAW, "-o", first)
    outcome = command("run", "--repeat", first, "-m", "emoji-lcm", "--lora", lora)
    assert outcome.code == 2
    assert "was drawn without --lora" in outcome.err


@pytest.mark.parametrize("given", ["gone.safetensors=much", "gone=x.safetensors"])
def test_a_scale_that_is_none(command, given):
    outcome = command("run", "a house", *DRAW, "--lora", given)
    assert outcome.code == 2
    assert "expected FILE[=SCALE] such as style.safetensors=0.8" in outcome.err


def test_a_lora_that_is_not_there(command, tmp_path):
    outcome = command("run", "a house", *DRAW, "--lora", tmp_path / "gone.safetensors")
    assert outcome.code == 1
    assert outcome.err.startswith("error: `gone.safetensors` cannot be read: no such file or directory")
