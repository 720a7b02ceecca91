"""How the command reads prompts: syntaxes, layers of CLIP, pictures that are drawn again."""

from __future__ import annotations

import json

import pytest
from PIL import Image, ImageChops


def test_a_syntax_is_in_the_settings_and_repeated(bundle, command, tmp_path):
    one, again, plain = (tmp_path / f"{name}.png" for name in ("one", "again", "plain"))
    prompt = "[a|(b:2)]"
    done = command("run", prompt, "-m", bundle, "-o", one, "--seed", 3, "--syntax", "a1111", "--clip-skip", 1, "--json")
    assert done.code == 0
    settings = json.loads(done.out)[0]["settings"]
    assert command("run", "--repeat", one, "-m", bundle, "-o", again).code == 0
    assert command("run", prompt, "-m", bundle, "-o", plain, "--seed", 3).code == 0
    assert not ImageChops.difference(Image.open(one), Image.open(again)).getbbox()
    assert ImageChops.difference(Image.open(one), Image.open(plain)).getbbox()
    shown = command("inspect", one)
    assert "syntax:            a1111" in shown.out
    assert "clip skip:         1" in shown.out
    assert (settings["syntax"], settings["clip_skip"]) == ("a1111", 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["a (red", "--syntax", "a1111"], "`prompt` is 'a (red': expected brackets in pairs: `(` at character 3 has"),
        (["a", "--negative", "b]", "--syntax", "a1111"], "is 'b]': expected brackets in pairs"),
        (["a <lora:x:1>", "--syntax", "a1111"], "no `<lora:...>`, as there is at character 3"),
        (["a", "--syntax", "midjourney"], "`syntax` is 'midjourney': expected one of a1111, compel"),
        (["a", "--clip-skip", "0"], "`--clip-skip` is 0: expected a whole number of at least 1"),
        (["a", "--clip-skip", "2"], "`--clip-skip` is 2: expected 1, because the graph of `text_encoder`"),
    ],
)
def test_what_cannot_be_read_is_refused(bundle, command, tmp_path, given, said):
    done = command("run", *given, "-m", bundle, "-o", tmp_path / "a.png")
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert not list(tmp_path.iterdir())
