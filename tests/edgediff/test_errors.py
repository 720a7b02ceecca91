"""Bad input to the command: one sentence, perhaps a hint, the right exit code, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from edgediff import api
from edgediff_runtimes.errors import BundleNotFoundError, OutOfMemoryError
from edgediff_runtimes.installing import install_line

USAGE = [
    (["draw"], "No such command 'draw'"),
    (["run"], "expected a PROMPT, or --prompts FILE, or --repeat PICTURE"),
    (["run", "a", "--prompts", "{tmp}/prompts.txt"], "expected a PROMPT or --prompts FILE: got both"),
    (["run", "a", "red", "apple"], 'expected one PROMPT, got 3 words: put it in quotes, as in "a red apple"'),
    (["run", "a", "--colour", "red"], "No such option"),
    (["run", "a", "--num-inference-steps", "4"], ": it is called --steps here"),
    (["run", "a", "--num_inference_steps", "4"], ": it is called --steps here"),
    (["run", "a", "--cfg=7"], ": it is called --guidance here"),
    (["run", "a", "--cfg_scale", "7"], ": it is called --guidance here"),
    (["run", "a", "--guidance_scale", "7"], ": it is called --guidance here"),
    (["run", "a", "--num-images", "2"], ": it is called --images here"),
    (["run", "a", "--neg-prompt", "x"], ": it is called --negative-prompt here"),
    (["run", "a", "--scheduler", "ddim"], ": it is called --sampler here"),
    (["run", "a", "--size", "64x64", "--width", "64"], "--size and --width say the same: expected one of them"),
    (["run", "a", "-o", "%seed%.png"], "-o has %seed%: expected {seed} where the seed is to stand"),
    (["run", "a", "-o", "x-[index].png"], "-o has [index]: expected {index} where the index is to stand"),
    (["run", "a", "-o", "{{steps}}.png"], "expected no braces but {seed}, {index}, {prompt}, {label} ({{ is a brace)"),
    (["run", "a", "-o", "{{.png"], "expected no braces but {seed}, {index}, {prompt}"),
    (["run", "a", "-o", "{{seed.real}}.png"], "expected no braces but {seed}, {index}, {prompt}"),
    (["run", "a", "-o", "{{seed:q}}.png"], "expected no braces but {seed}, {index}, {prompt}"),
    (["run", "a", "-o", "-", "--json"], "-o - and --json both write to stdout"),
    (["run", "a", "-o", "-", "-n", "2"], "-o - writes one picture, got 2: --grid puts them on one sheet"),
    (["run", "a", "--size", "64"], "'64' is not a size: expected WIDTHxHEIGHT such as 512x512"),
    (["run", "a", "--size", "64x"], "is not a size"),
    (["run", "a", "--guidance-interval", "5"], "'5' is no interval: expected LOW,HIGH such as 0.3,5 or 0.3,inf"),
    (["run", "a", "--guidance-interval", "5,0.3"], "'5,0.3' is no interval"),
    (["run", "a", "--guidance-interval=-1,5"], "'-1,5' is no interval"),
    (["run", "a", "--guidance-interval", "inf,inf"], "'inf,inf' is no interval"),
    (["run", "a", "--guidance-interval", "0,nan"], "'0,nan' is no interval"),
    (["run", "a", "--extend", "left"], "'left': expected SIDE=PIXELS, each side once, such as left=256,top=128"),
    (["run", "a", "--extend", "left=8,left=8"], "'left=8,left=8': expected SIDE=PIXELS, each side once"),
    (["run", "a", "--extend", "left=-8"], "'left=-8': expected SIDE=PIXELS"),
    (["run", "a", "--mask-image", "m.png"], ": it is called --mask here"),
    (["run", "a", "--size", "²x64"], "is not a size"),
    (["run", "a", "--size", "-8x64"], "is not a size"),
    (["run", "a", "--seed", "one"], "'one' is not a valid integer"),
    (["run", "a", "--steps", "2.5"], "'2.5' is not a valid integer"),
    (["run", "a", "--guidance", "much"], "'much' is not a valid float"),
    (["run", "a", "--sampler-option", "eta"], "--sampler-option is 'eta': expected FIELD=VALUE such as eta=0.5"),
    (["run", "a", "--sampler-option", "=3"], "--sampler-option is '=3': expected FIELD=VALUE such as eta=0.5"),
    (["run", "a", "--repeat", "{picture}"], "--repeat takes its settings from the file"),
    (["run", "--repeat", "{picture}", "--seed", "1"], "--repeat takes its settings from the file"),
    (["run", "--repeat", "{picture}", "--sampler-option", "eta=1"], "--repeat takes its settings from the file"),
    (["run", "--repeat", "{picture}", "--prompts", "{tmp}/prompts.txt"], "--repeat takes its settings"),
    (["inspect"], "Missing argument 'BUNDLE'"),
    (["verify"], "Missing argument 'BUNDLE'"),
    (["export", "{tmp}"], "Missing argument 'BUNDLE'"),
    (["export", "{tmp}", "{tmp}/x", "--precision", "fp16", "--precision", "fp32"], "--precision names fp16 and fp32"),
]

KNOWN = [
    (["run", "a", "-m", "{tmp}/nowhere"], "nowhere` is not a bundle: expected a directory"),
    (["run", "a", "-m", "{tmp}"], "is not a bundle"),
    (["run", "a", "-m", ""], "is not a bundle"),
    (["run", "a", "-m", "~nobody-of-that-name/x"], "is not a bundle"),
    (["inspect", "{tmp}/nowhere"], "is not a bundle"),
    (["verify", "{tmp}/nowhere"], "is not a bundle"),
    (["run", "a", "-m", "{bundle}", "--size", "60x64"], "`width` is 60: expected a multiple of 8"),
    (["run", "a", "-m", "{bundle}", "--size", "64x4"], "`height` is 4: expected a multiple of 8"),
    (["run", "a", "-m", "{bundle}", "--steps", "0"], "`steps` is 0: expected a whole number of at least 1"),
    (["run", "a", "-m", "{bundle}", "--images", "0"], "`images` is 0"),
    (
        ["run", "a", "-m", "{bundle}", "--images", str(10**12)],
        "`images` is 1000000000000: expected a whole number of at",
    ),
    (["run", "a", "-m", "{bundle}", "--original-size", "64x64"], "`--original-size` is 64: expected nothing"),
    (["run", "a", "-m", "{bundle}", "--lora", "{tmp}/x=nan"], "x', nan): expected a file and a scale that is a finite"),
    (["run", "a", "-m", "{bundle}", "--threads", "0"], "`threads` is 0"),
    (["run", "a", "-m", "{bundle}", "--seed", str(2**64)], "`seed` is 18446744073709551616"),
    (["run", "a", "-m", "{bundle}", "--guidance", "nan"], "`guidance` is nan: expected a finite number"),
    (["run", "a", "-m", "{bundle}", "--guidance-rescale", "2"], "`--guidance-rescale` is 2.0"),
    (["run", "a", "-m", "{bundle}", "--true-guidance", "4"], "`--true-guidance` is 4.0: expected nothing"),
    (["run", "a", "-m", "{bundle}", "--noise", "dice"], "`noise` is 'dice': expected one of torch-cpu"),
    (["run", "a", "-m", "{bundle}", "--sampler", "eulr"], "`sampler` is 'eulr'"),
    (["run", "a", "-m", "{bundle}", "--sampler-option", "colour=1"], "`colour` is 1"),
    (["run", "a", "-m", "{bundle}", "--sampler-option", "steps=5"], "`--sampler-option` is"),
    (["run", "a", "-m", "{bundle}", "--device", "npu"], "the device `npu` is not available: expected one of cpu"),
    (["run", "a", "-m", "{bundle}", "--negative", "x", "--guidance", "1"], "`--negative-prompt` is 'x'"),
    (["run", "a", "-m", "{bundle}", "--strength", "0.5"], "`strength` is 0.5: expected nothing"),
    (["run", "a", "-m", "{bundle}", "--image", "{picture}", "--strength", "2"], "`strength` is 2.0"),
    (["run", "a", "-m", "{bundle}", "--image", "{tmp}/nowhere.png"], "nowhere.png` does not exist"),
    (["run", "a", "-m", "{bundle}", "--image", "{tmp}/prompts.txt"], "prompts.txt` cannot be read: expected a picture"),
    (["run", "a", "-m", "{bundle}", "--mask", "{picture}"], "`image` is None: expected a picture, because there is"),
    (["run", "a", "-m", "{bundle}", "--image", "{picture}", "--extend", "up=8"], "`extend` is {'up': 8}: expect"),
    (["run", "a", "-m", "{bundle}", "--image", "{picture}", "--mask-blur", "2"], "`--mask-blur` is 2.0: expected noth"),
    (["run", "a", "-m", "{bundle}", "--image", "{picture}", "--mask", "{tmp}/none.png"], "none.png` does not exist"),
    (["run", "--prompts", "{tmp}/empty.txt", "-m", "{bundle}"], "empty.txt': expected a file with at least one prompt"),
    (["run", "--prompts", "{tmp}/nowhere.txt", "-m", "{bundle}"], "nowhere.txt': expected a readable text file"),
    (["run", "--prompts", "{picture}", "-m", "{bundle}"], "picture.png': expected a readable text file"),
    (["run", "--repeat", "{picture}", "-m", "{bundle}"], "picture.png` carries no settings"),
    (["run", "--repeat", "{tmp}/nowhere.png", "-m", "{bundle}"], "nowhere.png` does not exist"),
    (["run", "--repeat", "{tmp}/prompts.txt", "-m", "{bundle}"], "prompts.txt` cannot be read"),
    (["run", "a", "-m", "{bundle}", "-o", "{tmp}/prompts.txt/x.png"], "x.png` cannot be written"),
    (["run", "a", "-m", "{bundle}", "-o", "{tmp}/there.png"], "there.png` is there already: expected a name that is"),
    (["run", "e", "-m", "{bundle}", "-o", "{tmp}/th{{prompt}}re.png"], "there.png` is there already"),
    (["run", "--prompts", "/dev/zero", "-m", "{bundle}"], "`prompts` is '/dev/zero': expected a text of at most"),
    (["run", "a", "-m", "{bundle}", "-o", "{tmp}/x.txt"], "has the suffix `.txt`: expected .png, .jpg or .webp"),
    (["run", "a", "-m", "{bundle}", "-o", "", "--images", "2"], "has the suffix ``"),
    # where it cannot be written is found before anything is loaded
    (["run", "a", "-m", "{tmp}/nowhere", "-o", "{tmp}/x.txt"], "has the suffix `.txt`"),
    (["run", "a", "-m", "{tmp}/nowhere", "-o", "{tmp}/prompts.txt/x.png"], "x.png` cannot be written"),
]


@pytest.fixture
def places(bundle, picture, tmp_path):
    """Files that the tables speak of."""
    (tmp_path / "prompts.txt").write_text("a cat\n", encoding="utf-8")
    (tmp_path / "there.png").write_bytes(b"mine")
    (tmp_path / "empty.txt").write_text("\n  \n", encoding="utf-8")
    return {"bundle": bundle, "picture": picture, "tmp": tmp_path}


@pytest.mark.parametrize(("args", "sentence"), USAGE, ids=lambda part: " ".join(part) if isinstance(part, list) else "")
def test_a_mistake_in_usage_exits_2(command, places, args, sentence):
    outcome = command(*(arg.format(**places) for arg in args))
    assert outcome.code == 2
    assert sentence in outcome.err
    assert outcome.err.count("error: ") == 1
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize(("args", "sentence"), KNOWN, ids=lambda part: " ".join(part) if isinstance(part, list) else "")
def test_a_known_error_is_one_sentence_and_exits_1(command, places, monkeypatch, args, sentence):
    monkeypatch.chdir(places["tmp"])
    before = sorted(places["tmp"].rglob("*"))
    outcome = command(*(arg.format(**places) for arg in args))
    assert outcome.code == 1
    lines = outcome.err.splitlines()
    assert sentence in lines[0]
    assert lines[0].startswith("error: ")
    assert [line.partition(" ")[0] for line in lines[1:]] in ([], ["hint:"])
    assert outcome.out == ""
    assert sorted(places["tmp"].rglob("*")) == before


def _break(bundle_copy, harm):
    path = bundle_copy / "edgediff.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    unet = bundle_copy / "unet" / "model.onnx"
    if harm == "missing":
        unet.unlink()
    elif harm == "truncated":
        unet.write_bytes(unet.read_bytes()[:-10])
    elif harm == "altered":
        unet.write_bytes(unet.read_bytes()[:-1] + b"\0")
    elif harm == "escape":
        values["components"]["unet"]["files"][0]["path"] = "../outside.onnx"
    elif harm == "version":
        values["format_version"] = "2.0"
    elif harm == "component":
        del values["components"]["unet"]
    elif harm == "field":
        values["stages"][0]["space"]["factor"] = "8"
    elif harm == "graph":
        unet.write_bytes(b"x" * unet.stat().st_size)
        values["components"]["unet"]["files"][0]["sha256"] = None
    path.write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize("subcommand", ["run", "inspect", "verify"])
@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        ("missing", "`unet/model.onnx` is missing"),
        ("truncated", "`unet/model.onnx` has 1,369 bytes: expected 1,379"),
        ("escape", "the path `../outside.onnx` leaves the bundle"),
        ("version", "the bundle's format version is 2.0"),
        ("field", "the manifest's `stages[0].space.factor` is '8'"),
    ],
)
def test_a_broken_bundle_is_one_sentence(command, bundle_copy, subcommand, harm, sentence):
    _break(bundle_copy, harm)
    args = ["run", "a", "-m", bundle_copy] if subcommand == "run" else [subcommand, bundle_copy]
    outcome = command(*args)
    assert (outcome.code, outcome.out) == (1, "")
    assert sentence in outcome.err.splitlines()[0]
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("args", "harm", "sentence"),
    [
        (["verify"], "altered", "`unet/model.onnx` was altered"),
        (["verify"], "graph", "cannot load `unet`"),
        (["run", "a", "-m"], "graph", "cannot load `unet`"),
        (["run", "a", "-m"], "component", "(network) computes `unet`: expected that component in the bundle"),
    ],
)
def test_harm_that_only_a_closer_look_finds(command, bundle_copy, args, harm, sentence):
    _break(bundle_copy, harm)
    outcome = command(*args, bundle_copy)
    assert (outcome.code, outcome.out) == (1, "")
    assert sentence in outcome.err.splitlines()[0]
    assert "Traceback" not in outcome.err


def test_too_little_memory_is_one_sentence(command, bundle, monkeypatch):
    def hungry(*_args, **_options):
        raise MemoryError("Unable to allocate 149. GiB")

    monkeypatch.setattr(api, "load", hungry)
    outcome = command("run", "a", "-m", bundle)
    assert (outcome.code, outcome.out) == (1, "")
    lines = outcome.err.splitlines()
    assert lines[0] == "error: there is not enough memory: Unable to allocate 149. GiB"
    assert lines[1:] == ["hint: less is needed with a smaller --size, fewer --images, --low-memory"]


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        (MemoryError("Unable to allocate 149. GiB"), "there is not enough memory: Unable to allocate 149. GiB"),
        (OutOfMemoryError("`unet` failed"), "`unet` failed"),
        (OutOfMemoryError("`unet` failed", work="a picture", hint="`low_memory=True` needs less"), "for a picture"),
    ],
)
@pytest.mark.parametrize(
    ("function", "arguments", "hints"),
    [
        ("open_bundle", ["inspect"], []),
        ("verify", ["verify"], []),
        ("export", ["export", "nowhere"], ["hint: less is needed with a smaller --size, a smaller --trial-size"]),
    ],
)
def test_the_hint_at_too_little_memory_is_of_the_command(
    command, bundle, monkeypatch, raised, sentence, function, arguments, hints
):
    """No command is told of an option that it does not have."""

    def hungry(*_args, **_options):
        raise raised

    monkeypatch.setattr(api, function, hungry)
    outcome = command(*arguments, bundle)
    assert outcome.code == 1
    first, *rest = outcome.err.splitlines()
    assert first.startswith("error: ")
    assert sentence in first
    assert rest == hints


def test_debug_shows_the_traceback(process, command, tmp_path):
    with pytest.raises(BundleNotFoundError):
        command("--debug", "inspect", tmp_path)
    outcome = process("inspect", tmp_path, "--debug")
    assert outcome.code == 1
    assert "Traceback" in outcome.err
    assert "BundleNotFoundError" in outcome.err


def test_a_missing_exporter_has_its_install_line(command, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "edgediff_exporters", None)
    outcome = command("export", tmp_path, tmp_path / "out")
    assert outcome.code == 1
    assert outcome.err.splitlines()[0].startswith("error: the exporter is not installed")
    assert outcome.err.splitlines()[1] == f"hint: {install_line('export')}"


def test_an_export_that_cannot_be_is_one_sentence(tmp_path):
    """With the exporter it is no model, no precision; without it, the sentence says what to install."""
    (tmp_path / "photos").mkdir()
    commands = [["export", "photos", "out"], ["export", "photos", "out", "--precision", "fp7"]]
    # One process for both: the exporter takes seconds to import.
    code = f"""
import sys
from edgediff.cli import main
for args in {commands}:
    sys.argv[1:] = args
    try:
        main()
    except SystemExit as ended:
        print(ended.code, flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=tmp_path, encoding="utf-8")
    assert done.stdout.split() == ["1", "1"]
    # A machine that is busy takes long to import the exporter, and tells it.
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("hint: ", "reading the source, "))]
    assert len(lines) == 2
    assert all(line.startswith("error: ") for line in lines)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
