"""What the command does when all is well: data on stdout, everything else on stderr."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import edgediff
from edgediff_runtimes.picture_files import read_metadata

DRAW = ["--seed", "7", "--steps", "2"]


def _pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_help_and_version(command):
    for args in (["--help"], ["-h"], []):
        outcome = command(*args)
        assert (outcome.code, outcome.err) == (0, "")
        for name in ("export", "run", "inspect", "verify", "devices"):
            assert name in outcome.out
    assert '\n    edgediff run "a red apple" -o apple.png\n' in command("--help").out
    assert edgediff.__version__ in command("--version").out


@pytest.mark.parametrize("name", ["export", "run", "inspect", "verify", "devices"])
def test_every_command_has_help(command, name):
    outcome = command(name, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"Usage: edgediff {name}")


def test_run_prints_the_path_and_draws_what_the_api_draws(command, bundle, tmp_path):
    path = tmp_path / "out.png"
    outcome = command("run", "a red apple", "-m", bundle, "-o", path, *DRAW)
    assert outcome == type(outcome)(0, f"{path}\n", "")
    with edgediff.load(bundle) as pipeline:
        expected = pipeline("a red apple", seed=7, steps=2).images[0]
    np.testing.assert_array_equal(_pixels(path), np.asarray(expected))


def test_run_names_the_file_by_its_seed(command, bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("run", "a", "-m", bundle, *DRAW).out == "edgediff-7.png\n"
    assert (tmp_path / "edgediff-7.png").is_file()


@pytest.mark.parametrize("given", [(), ("--seed", "-1")], ids=["left out", "-1"])
def test_a_random_seed_is_told(command, bundle, tmp_path, given):
    path = tmp_path / "out.png"
    outcome = command("run", "a", "-m", bundle, "-o", path, "--steps", "2", *given)
    assert outcome.out == f"{path}\n"
    seed = read_metadata(path)["settings"]["seed"]
    assert seed >= 0
    assert outcome.err == f"seed {seed}\n"


def test_run_json(command, bundle, tmp_path):
    outcome = command("run", "a", "-m", bundle, "-o", tmp_path / "x.png", "--images", "2", "--json", *DRAW)
    (report,) = json.loads(outcome.out)
    assert outcome.err == ""
    assert report["files"] == [str(tmp_path / "x-0.png"), str(tmp_path / "x-1.png")]
    assert report["seeds"] == [7, 8]
    assert report["settings"]["prompts"] == ["a"]
    assert len(report["timings"]["steps_s"]) == 2


def test_every_drawing_option_arrives(command, bundle, picture, tmp_path):
    options = {
        "--negative": "dull",
        "--variation-strength": "0.25",
        "--variation-seed": "5",
        "--to-prompt": "b",
        "--blend": "0.75",
        "--guidance": "2.5",
        "--guidance-rescale": "0.5",
        "--guidance-interval": "0.25,inf",
        "--reuse-guidance": "2",
        "--clip-skip": "1",
        "--sampler": "euler",
        "--sampler-option": "timestep_spacing=trailing",
        "--noise": "numpy",
        "--size": "72x64",
        "--image": picture,
        "--strength": "0.9",
        "--tile": "192",
        "--threads": "1",
        "--device": "cpu",
    }
    arguments = [part for pair in options.items() for part in pair]
    outcome = command("run", "a", "-m", bundle, "-o", tmp_path / "x.png", "--json", "--low-memory", *DRAW, *arguments)
    assert outcome.code == 0, outcome.err
    settings = json.loads(outcome.out)[0]["settings"]
    assert settings == {
        "prompts": ["a"],
        "negative_prompts": ["dull"],
        "images_per_prompt": 1,
        "seed": 7,
        "noise": "numpy",
        "steps": 2,
        "guidance": 2.5,
        "guidance_rescale": 0.5,
        "guidance_interval": [0.25, None],
        "reuse_guidance": 2,
        "syntax": None,
        "clip_skip": 1,
        "embeds": {},
        "sampler": "euler",
        "sampler_options": {"timestep_spacing": "trailing"},
        "width": 72,
        "height": 64,
        "task": "image-to-image",
        "pictures": ["image"],
        "guided": True,
        "reuse": "off",
        "choices": {},
        "strength": 0.9,
        "encode": "sample",
        "tile": None,  # the picture is no larger
        "enlarge": None,
        "decoder": None,  # the bundle has one
        "variation_seed": 5,
        "variation_strength": 0.25,
        "to_prompts": ["b"],
        "blend": 0.75,
        **dict.fromkeys(("mask", "mask_blur", "keep", "crop_mask", "extend")),
    }


@pytest.mark.filterwarnings("ignore:the model was made for pictures of")
def test_a_picture_larger_than_a_tile_is_decoded_in_tiles(command, bundle, tmp_path):
    asked = ("run", "a", "-m", bundle, "--json", "--size", "264x192", *DRAW)
    reports = {}
    for name, options in {"whole": (), "tiles": ("--tile", "192")}.items():
        outcome = command(*asked, "-o", tmp_path / f"{name}.png", *options)
        assert outcome.code == 0, outcome.err
        (reports[name],) = json.loads(outcome.out)
    assert reports["whole"]["settings"]["tile"] is None
    assert reports["tiles"]["settings"]["tile"] == 192
    assert [reports[name]["computed"]["vae_decoder"]["calls"] for name in reports] == [1, 2]
    whole, tiles = (_pixels(tmp_path / f"{name}.png") for name in reports)
    assert tiles.shape == whole.shape == (192, 264, 3)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_prompts_of_a_file_are_drawn_with_seeds_that_count_up(command, bundle, tmp_path, encoding):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a café 🍎\n\n  the cat  \r\n", encoding=encoding)
    outcome = command("run", "--prompts", prompts, "-m", bundle, "-o", tmp_path / "x.png", "--images", "2", *DRAW)
    files = [tmp_path / f"x-{i}-{j}.png" for i in range(2) for j in range(2)]
    assert outcome.out.splitlines() == list(map(str, files))
    recorded = [read_metadata(file)["settings"] for file in files]
    assert [settings["seed"] for settings in recorded] == [7, 8, 9, 10]
    assert [settings["prompts"] for settings in recorded] == [["a café 🍎"]] * 2 + [["the cat"]] * 2


@pytest.mark.parametrize("image_to_image", [False, True])
def test_repeat_draws_the_same_again(command, bundle, picture, tmp_path, image_to_image):
    image = ["--image", picture] if image_to_image else []
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    command("run", "a red apple", "-m", bundle, "-o", first, "--negative", "dull", "--sampler", "euler", *DRAW, *image)
    outcome = command("run", "--repeat", first, "-m", bundle, "-o", again, *image)
    assert outcome == type(outcome)(0, f"{again}\n", "")
    np.testing.assert_array_equal(_pixels(first), _pixels(again))
    assert read_metadata(first) == read_metadata(again)


def test_repeat_asks_for_the_image_it_needs_and_for_no_other(command, bundle, picture, tmp_path):
    text, image = tmp_path / "text.png", tmp_path / "image.png"
    command("run", "a", "-m", bundle, "-o", text, *DRAW)
    command("run", "a", "-m", bundle, "-o", image, "--image", picture, *DRAW)
    outcome = command("run", "--repeat", image, "-m", bundle)
    assert outcome.code == 2
    assert "needs --image" in outcome.err
    outcome = command("run", "--repeat", text, "-m", bundle, "--image", picture)
    assert outcome.code == 2
    assert "was drawn without --image" in outcome.err


@pytest.fixture
def mask(tmp_path):
    """White in the middle, of the picture's size."""
    path = tmp_path / "mask.png"
    made = Image.new("L", (64, 72), "black")
    made.paste("white", (16, 16, 48, 48))
    made.save(path)
    return path


def test_a_picture_is_drawn_into_and_the_same_again(command, bundle, picture, mask, tmp_path):
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    options = ["--keep", "exact", "--mask-blur", "1.5", "--crop-mask", "4"]
    given = ["--image", picture, "--mask", mask]
    outcome = command("run", "a", "-m", bundle, "-o", first, "--json", *given, *options, *DRAW)
    assert outcome.code == 0, outcome.err
    settings = json.loads(outcome.out)[0]["settings"]
    about = {name: settings[name] for name in ("mask", "mask_blur", "keep", "crop_mask", "extend", "task", "pictures")}
    assert about == {
        "mask": None,
        "mask_blur": 1.5,
        "keep": "exact",
        "crop_mask": 4,
        "extend": None,
        "task": "inpaint-from-noise",
        "pictures": ["image", "mask"],
    }
    np.testing.assert_array_equal(_pixels(first)[:8], _pixels(picture)[:8])
    outcome = command("run", "--repeat", first, "-m", bundle, "-o", again, *given)
    assert outcome.code == 0, outcome.err
    np.testing.assert_array_equal(_pixels(first), _pixels(again))
    outcome = command("run", "--repeat", first, "-m", bundle, "--image", picture)
    assert (outcome.code, "needs --mask" in outcome.err) == (2, True)


def test_a_picture_is_made_larger_and_the_same_again(command, bundle, picture, mask, tmp_path):
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    outcome = command("run", "a", "-m", bundle, "-o", first, "--image", picture, "--extend", "left=12,top=3", *DRAW)
    assert outcome.code == 0, outcome.err
    assert _pixels(first).shape == (75, 76, 3)
    np.testing.assert_array_equal(_pixels(first)[3:, 12:], _pixels(picture))
    outcome = command("run", "--repeat", first, "-m", bundle, "-o", again, "--image", picture)
    assert outcome.code == 0, outcome.err
    np.testing.assert_array_equal(_pixels(first), _pixels(again))
    outcome = command("run", "--repeat", first, "-m", bundle, "--image", picture, "--mask", mask)
    assert (outcome.code, "was drawn without --mask" in outcome.err) == (2, True)


def test_a_picture_s_own_transparency_is_a_mask(command, bundle, picture, mask, tmp_path):
    cut = Image.open(picture)
    cut.putalpha(Image.eval(Image.open(mask), lambda shade: 255 - shade))
    cut.save(tmp_path / "cut.png")
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    outcome = command("run", "a", "-m", bundle, "-o", first, "--image", tmp_path / "cut.png", "--mask", "alpha", *DRAW)
    assert outcome.code == 0, outcome.err
    outcome = command("run", "--repeat", first, "-m", bundle, "-o", again, "--image", tmp_path / "cut.png")
    assert outcome.code == 0, outcome.err
    np.testing.assert_array_equal(_pixels(first), _pixels(again))


def test_warnings_go_to_stderr_as_a_sentence(process, command, bundle, bundle_copy, tmp_path):
    path = tmp_path / "x.png"
    manifest = bundle_copy / "edgediff.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("Apache-2.0", "MIT"), encoding="utf-8")
    command("run", "a", "-m", bundle, "-o", path, *DRAW)
    outcome = process("run", "--repeat", path, "-m", bundle_copy, "-o", tmp_path / "again.png")
    assert (outcome.code, outcome.out) == (0, f"{tmp_path / 'again.png'}\n")
    assert outcome.err == f"warning: {path} was drawn with another bundle than this one: expect another picture\n"
    outcome = process("run", "the cat and " * 20, "-m", bundle, "-o", tmp_path / "long.png", *DRAW)
    assert outcome.err.startswith("warning: the prompt has 60 tokens, 10 fit: 50 cut off, beginning with '")


def test_words_and_sizes_that_a_model_was_not_made_for_are_warned_of(process, tmp_path):
    outcome = process("run", "a red xyzzy", "--size", "128x128", "--steps", "1", "-o", tmp_path / "x.png")
    assert (outcome.code, outcome.out) == (0, f"{tmp_path / 'x.png'}\n")
    warned = [line for line in outcome.err.splitlines() if line.startswith("warning: ")]
    assert warned[0] == "warning: the model was made for pictures of 64x64: at 128x128 expect repetitions or blots"
    assert warned[1].startswith("warning: the model was not taught `xyzzy`: ")
    assert len(warned) == 2
    quiet = process("run", "a red apple", "-o", tmp_path / "y.png")
    assert (quiet.code, "warning" in quiet.err) == (0, False)


def test_inspect(command, bundle):
    outcome = command("inspect", bundle)
    assert (outcome.code, outcome.err) == (0, "")
    assert "sample: float32[batch, 4, height, width]" in outcome.out
    assert "DDIMScheduler, predicts epsilon" in outcome.out
    assert "64x64, 3 steps, guidance 3" in outcome.out
    assert all(role in outcome.out for role in ("text_encoder", "unet", "vae_decoder", "vae_encoder"))


def test_a_table_in_a_pipe_is_as_wide_as_it_needs_to_be(command, bundle_copy):
    renamed = bundle_copy.rename(bundle_copy.with_name("long" * 40))
    manifest = renamed / "edgediff.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('"encoder_hidden_states"', f'"{"states" * 50}"'), encoding="utf-8")
    for args in (["inspect", renamed], ["samplers"], ["devices"]):
        lines = command(*args).out.splitlines()
        assert [line for line in lines if line != line.rstrip()] == []
    lines = command("inspect", renamed).out.splitlines()
    assert lines[0] == f"{'long' * 40}: stable-diffusion"
    assert [line.split()[0] for line in lines[2:6]] == ["text_encoder", "unet", "vae_decoder", "vae_encoder"]
    assert "states" * 50 in lines[3]
    assert "out_sample: float32" in lines[3]


def test_inspect_json_is_the_manifest(command, bundle):
    outcome = command("inspect", bundle, "--json")
    assert json.loads(outcome.out) == json.loads((bundle / "edgediff.json").read_text(encoding="utf-8"))


def test_inspect_a_derived_manifest(command, bundle_copy):
    (bundle_copy / "edgediff.json").unlink()
    outcome = command("inspect", bundle_copy)
    assert (outcome.code, outcome.err) == (0, "")
    assert "(manifest derived)" in outcome.out


def test_inspect_a_directory_with_brackets_in_its_name(command, bundle_copy):
    renamed = bundle_copy.rename(bundle_copy.with_name("model [bold] [red] :cat:"))
    outcome = command("inspect", renamed)
    assert outcome.code == 0
    assert "model [bold] [red] :cat:: stable-diffusion" in outcome.out


NOTHING_MEASURED = "nothing measured: the manifest claims nothing of the bundle's quality"


def test_verify(command, bundle):
    outcome = command("verify", bundle)
    assert outcome == type(outcome)(0, f"8 files are what was exported, 4 graphs load\n{NOTHING_MEASURED}\n", "")
    assert json.loads(command("verify", bundle, "--json").out) == {
        "files": 8,
        "graphs": 4,
        "errors": {},
        "tolerances": {},
        "figures": [],
        "computed": {},
        "not_compared": {},
        "not_measured": NOTHING_MEASURED.partition(": ")[2],
    }


def test_verify_claims_nothing_of_files_without_hashes(command, bundle_copy):
    (bundle_copy / "edgediff.json").unlink()
    assert command("verify", bundle_copy).out == f"0 files are what was exported, 4 graphs load\n{NOTHING_MEASURED}\n"


def test_devices(command):
    outcome = command("devices")
    assert (outcome.code, outcome.err) == (0, "")
    assert "onnxruntime" in outcome.out
    report = json.loads(command("devices", "--json").out)
    assert "cpu" in report["engines"]["onnxruntime"]["devices"]


def test_the_default_file_overwrites_nothing(command, bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command("run", "a", "-m", str(bundle), "--seed", "5")
    command("run", "b", "-m", str(bundle), "--seed", "5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edgediff-5.png", "edgediff-5_2.png"]


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (0.5, "0.50 times as long as fp32's in ONNX Runtime."),
        (1.25, "1.25 times as long as fp32's in ONNX Runtime: it is slower."),
        (1.04, "1.04 times as long as fp32's in ONNX Runtime: no faster and no slower, as far as a few calls tell."),
    ],
)
def test_export_says_whether_quantising_made_it_slower(command, measured_copy, monkeypatch, ratio, said):
    path = measured_copy / "edgediff.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["quality"]["latency_ratio"] = ratio
    path.write_text(json.dumps(values), encoding="utf-8")
    monkeypatch.setattr("edgediff.api.export", lambda *_, **__: None)  # as if it had just written the bundle
    last = command("export", "source", measured_copy).out.splitlines()[-1]
    assert last.endswith(said)


def test_export_refuses_a_component_with_two_precisions(command, tmp_path):
    outcome = command("export", "source", tmp_path / "b", "--precision", "unet=int8", "--precision", "unet=fp16")
    assert outcome.code == 2
    assert "--precision names a component twice: unet=int8 unet=fp16" in outcome.err


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_inspect_shows_what_a_picture_was_drawn_with_and_repeat_draws_it(command, bundle, tmp_path, suffix):
    path, again = tmp_path / f"x.{suffix}", tmp_path / "again.png"
    command("run", "a red apple", "-m", bundle, "-o", path, "--negative", "dull", *DRAW)
    shown = command("inspect", path)
    assert (shown.code, shown.err) == (0, "")
    lines = [line.split(":", 1) for line in shown.out.splitlines()[1:]]
    facts = {name: value.strip() for name, value in lines}
    assert facts["prompts"] == "a red apple"
    assert facts["negative prompts"] == "dull"
    assert (facts["seed"], facts["steps"], facts["width"]) == ("7", "2", "64")
    assert json.loads(command("inspect", path, "--json").out) == read_metadata(path)
    assert command("run", "--repeat", path, "-m", bundle, "-o", again).out == f"{again}\n"
    assert read_metadata(again)["settings"] == read_metadata(path)["settings"]
    with edgediff.load(bundle) as pipeline:
        expected = pipeline("a red apple", negative_prompt="dull", seed=7, steps=2).images[0]
    np.testing.assert_array_equal(_pixels(again), np.asarray(expected))


def test_inspect_of_a_foreign_picture(command, picture):
    outcome = command("inspect", picture)
    assert (outcome.code, outcome.out) == (1, "")
    assert "picture.png` carries no settings" in outcome.err
    assert command("inspect", picture, "--grid", "x.png").code == 2
