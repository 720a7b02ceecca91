"""`edgediff grid`: pictures over one option or two on one labelled sheet; all are checked before one is drawn."""

from __future__ import annotations

import io
import json
import threading

import click
import numpy as np
import pytest
from PIL import Image

import edgediff
from edgediff.cli.grid import command as grid_command
from edgediff.cli.over import axes
from edgediff.inspection.grid import GAP, LINE, PAPER
from edgediff.inspection.labelled_sheet import labelled_sheet
from edgediff_runtimes.errors import Cancelled, SettingError
from edgediff_runtimes.picture_files import read_metadata
from edgediff_runtimes.settings.resolve import options_of

DRAW = ["--seed", "7"]


@pytest.fixture
def pipeline(bundle):
    with edgediff.load(bundle) as pipeline:
        yield pipeline


def test_rows_and_columns(pipeline):
    found = edgediff.grid(pipeline, "a cat", over={"steps": [1, 2, 3], "sampler": ["euler", "ddim"]}, seed=7)
    assert found.columns == ("steps=1", "steps=2", "steps=3")
    assert found.rows == ("sampler=euler", "sampler=ddim")
    assert found.title == "a cat, bundle, seed 7"
    for sampler, row in zip(("euler", "ddim"), found.results, strict=True):
        for steps, result in zip((1, 2, 3), row, strict=True):
            assert (result.settings.sampler, result.settings.steps, result.seed) == (sampler, steps, 7)
            alone = pipeline("a cat", sampler=sampler, steps=steps, seed=7)
            assert np.array_equal(alone.latents, result.latents)


def test_one_random_seed_for_all_pictures(pipeline):
    over = {"variation_strength": [0.0, 0.5, 1.0]}
    [row] = edgediff.grid(pipeline, "a cat", over=over, steps=1).results
    assert len({(result.seed, result.settings.variation_seed) for result in row}) == 1
    other = pipeline("a cat", steps=1, seed=row[0].settings.variation_seed)
    assert np.array_equal(row[2].latents, other.latents)


def test_options_that_are_varied_together_and_words_of_a_prompt(pipeline):
    over = {("width", "height"): [(64, 64), (96, 64)], "prompt": ["red", "blue"]}
    found = edgediff.grid(pipeline, "a {} boat", over=over, steps=1, seed=7)
    assert found.columns == ("size=64x64", "size=96x64")
    assert found.rows == ("prompt=red", "prompt=blue")
    assert [row[1].settings.prompts for row in found.results] == [("a red boat",), ("a blue boat",)]
    assert [result.images[0].size for result in found.results[0]] == [(64, 64), (96, 64)]


def test_fields_of_a_sampler_are_joined(pipeline):
    over = {"sampler_options": [{"use_karras_sigmas": flag} for flag in (False, True)]}
    options = {"sampler": "euler", "sampler_options": {"timestep_spacing": "trailing"}}
    [row] = edgediff.grid(pipeline, "a cat", over=over, steps=2, **options).results
    assert [result.settings.sampler_options for result in row] == [
        {"timestep_spacing": "trailing", "use_karras_sigmas": flag} for flag in (False, True)
    ]


@pytest.mark.parametrize(
    ("over", "options", "sentence"),
    [
        ({}, {}, "`over` is 0: expected one option to vary, or two"),
        ({"steps": [1], "seed": [1], "guidance": [1]}, {}, "`over` is 3: expected"),
        ({"steps": []}, {}, "`over` is 'steps': expected at least one value"),
        ([3], {}, "`over` is [3]: expected lists of values by option"),
        ({"steps": 3}, {}, "`over` is {'steps': 3}: expected lists of values by option"),
        ({("width", "height"): [(64, 64), 3]}, {}, "`over` is 'width height': expected at least one value"),
        ({"steps": [1, 0]}, {}, "`steps` is 0: expected a whole number of at least 1"),
        ({"steps": [1], "sampler": ["euler", "nonsense"]}, {}, "nonsense"),
        ({"colour": ["red"]}, {}, "`options` is 'colour': expected one of"),
        ({"steps": [1]}, {"steps": 2}, "`steps` is 2: expected nothing beside the values that are varied"),
        ({("width", "height"): [(64, 64)], "width": [64]}, {}, "`width` is None: expected nothing beside"),
        ({"images": [2]}, {}, "`images` is 2: expected one picture in each cell"),
        ({"prompt": [3]}, {}, "`prompt` is 3: expected a text"),
        ({"prompt": ["red"]}, {}, "expected `{}` in it where the words stand"),
        ({"seed": range(5000)}, {}, "`over` is '5,000 pictures': expected"),
        ({"image": ["/nowhere.png"]}, {}, "does not exist"),
    ],
    ids=str,
)
def test_what_cannot_be_drawn_is_refused_before_anything_is(pipeline, monkeypatch, over, options, sentence):
    monkeypatch.setattr(edgediff.Run, "__next__", lambda _: pytest.fail("a step was computed"))
    with pytest.raises(edgediff.EdgediffError) as caught:
        edgediff.grid(pipeline, "a cat", over=over, **options)
    assert sentence in caught.value.sentence


def test_it_is_ended_between_pictures_and_inside_them(pipeline):
    seen = []

    def stop(step):
        seen.append((step.cell, step.cells, step.label, step.done, step.total))
        if step.cell == 1:
            cancel.cancel()

    cancel = edgediff.CancelToken()
    with pytest.raises(Cancelled):
        edgediff.grid(pipeline, "a cat", over={"steps": [1, 2, 3]}, cancel=cancel, on_step=stop)
    assert seen == [(0, 3, "steps=1", 1, 6), (1, 3, "steps=2", 2, 6)]
    assert pipeline("a cat", steps=1).images
    before = threading.active_count()
    with pytest.raises(Cancelled):
        edgediff.grid(pipeline, "a cat", over={"steps": [1]}, cancel=cancel)
    assert threading.active_count() == before


def test_what_a_model_was_not_taught_is_told_once():
    with edgediff.load("emoji-lcm") as pipeline, pytest.warns(UserWarning, match="was not taught `qwerty`") as warned:
        edgediff.grid(pipeline, "a {}", over={"prompt": ["qwerty", "apple"], "seed": [1, 2]}, steps=1)
    assert len(warned) == 1


def test_the_command(command, bundle, tmp_path):
    path = tmp_path / "sheet.png"
    over = ["--over", "steps=1,2", "--over", "sampler=euler,ddim,heun"]
    outcome = command("grid", "a cat", "-m", bundle, "-o", path, *over, *DRAW)
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{path}\n", "")
    metadata = read_metadata(path)
    assert metadata["grid"]["columns"] == ["steps=1", "steps=2"]
    assert metadata["grid"]["rows"] == ["sampler=euler", "sampler=ddim", "sampler=heun"]
    prompt, options = options_of(metadata["grid"]["cells"][2][1])
    assert (prompt, options["steps"], options["sampler"], options["seed"]) == ("a cat", 2, "heun", 7)
    told = command("inspect", path)
    assert "a sheet drawn by `edgediff grid`" in told.out
    assert "columns:           steps=1; steps=2" in told.out
    refused = command("run", "--repeat", path, "-m", bundle)
    assert (refused.code, "is a sheet of `edgediff grid`: expected" in refused.err) == (2, True)


def test_json_has_every_cell(command, bundle, tmp_path):
    path = tmp_path / "sheet.png"
    outcome = command("grid", "a cat", "-m", bundle, "-o", path, "--over", "seed=3,4", "--steps", "1", "--json")
    report = json.loads(outcome.out)
    assert (report["file"], report["columns"], report["rows"]) == (str(path), ["seed=3", "seed=4"], [""])
    assert [cell["settings"]["seed"] for cell in report["cells"][0]] == [3, 4]
    assert report["cells"][0][0]["timings"]["total_s"] > 0


def test_a_sheet_on_stdout(process, bundle):
    """As bytes; what is seeded at random is told on stderr."""
    outcome = process("grid", "a", "-m", bundle, "-o", "-", "--over", "steps=1,2", "--json")
    assert (outcome.code, "-o - and --json both write to stdout" in outcome.err) == (2, True)


def test_a_file_is_replaced_by_overwrite_only(command, bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.png").write_bytes(b"mine")
    args = ["grid", "a", "-m", bundle, "--over", "steps=1", *DRAW]
    assert command(*args, "-o", "x.png").code == 1
    assert (tmp_path / "x.png").read_bytes() == b"mine"
    assert command(*args, "-o", "x.png", "--overwrite").code == 0
    assert [command(*args).out for _ in range(2)] == ["edgediff-7-grid.png\n", "edgediff-7-grid_2.png\n"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("steps=4,8", {("steps",): [(4,), (8,)]}),
        ("--guidance-rescale=0,0.5", {("guidance_rescale",): [(0.0,), (0.5,)]}),
        ("size=64x64, 96x64", {("width", "height"): [(64, 64), (96, 64)]}),
        ("reuse=3,auto", {("reuse",): [(3,), ("auto",)]}),
        ('guidance-interval="0.3,5","0,inf"', {("guidance_interval",): [((0.3, 5.0),), ((0.0, None),)]}),
        ("sampler-option=eta=0,eta=1", {("sampler_options",): [({"eta": 0},), ({"eta": 1},)]}),
        ("label=7,tench", {("class_label",): [("7",), ("tench",)]}),
        ('prompt=a fox,"a frog, green"', {("prompt",): [("a fox",), ("a frog, green",)]}),
        ("negative=,dull", {("negative_prompt",): [("",), ("dull",)]}),
        ('crop="0,64"', {("crop_left", "crop_top"): [(0, 64)]}),
        ("control-preprocessor=none,canny", {("control_preprocessor",): [(None,), ("canny",)]}),
    ],
)
def test_values_are_parsed_as_run_parses_them(text, expected):
    context = click.Context(grid_command)
    assert axes(context, context.command.params[0], (text,)) == expected


@pytest.mark.parametrize(
    ("over", "sentence"),
    [
        (["steps"], "'steps' has no values: expected OPTION=VALUE,VALUE,..."),
        (["stepps=4"], "'stepps' cannot be varied: expected an option of a picture such as steps"),
        (["threads=4"], "'threads' cannot be varied"),
        (["images=4"], "'images' cannot be varied"),
        (["lora=a.safetensors,b.safetensors"], "'lora' cannot be varied"),
        (["enlarger=a.onnx"], "'enlarger' cannot be varied"),
        (["steps=4,x"], "'x' is not a valid integer"),
        (["size=64"], "'64' is not a size"),
        (["steps=4", "steps=8"], "'steps' is there twice"),
    ],
)
def test_what_is_no_value_is_usage(command, bundle, over, sentence):
    outcome = command("grid", "a", "-m", bundle, *(word for one in over for word in ("--over", one)))
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err


def test_labels_stand_beside_their_pictures():
    """Dark letters on the paper, above each column and before each row, none of them on a picture."""
    pictures = [[Image.new("RGB", (64, 64), "white") for _ in range(3)] for _ in range(2)]
    columns = ("steps=4", "sampler_options=use_karras_sigmas=True", "prompt=a very long prompt of many words indeed")
    image = labelled_sheet(pictures, columns=columns, rows=("guidance=1", "guidance=7.5"), title="a cat")
    sheet = np.asarray(image).astype(int)
    ink = (sheet.sum(axis=2) < 300).astype(int)
    white = (sheet == 255).all(axis=2)
    assert white.sum() == 6 * 192 * 192  # small pictures are enlarged by a whole factor
    rows, columns_ = np.nonzero(white)
    top, left = rows.min(), columns_.min()
    for column in range(3):
        x = left + column * (192 + GAP)
        assert ink[GAP + LINE : top, x : x + 192].sum() > 50
    for row in range(2):
        y = top + row * (192 + GAP)
        assert ink[y : y + LINE + 4, :left].sum() > 50
    assert ink[: GAP + LINE, :].sum() > 50
    assert ink[top:, left:].sum() == 0
    assert tuple(sheet[0, 0]) == PAPER


def test_sizes_can_be_compared_on_a_sheet():
    """One factor for all, that of the picture which needs the smallest."""
    pictures = [[Image.new("RGB", size, "white") for size in ((64, 64), (96, 96), (64, 32))]]
    sheet = np.asarray(labelled_sheet(pictures, columns=("a", "b", "c"), rows=("",), title=""))
    assert (sheet == 255).all(axis=2).sum() == 2**2 * (64 * 64 + 96 * 96 + 64 * 32)


def test_a_sheet_is_a_file_of_its_own(pipeline, tmp_path):
    found = edgediff.grid(pipeline, "a cat", over={"steps": [1, 2]}, seed=7)
    found.save(tmp_path / "x.webp")
    assert read_metadata(tmp_path / "x.webp") == json.loads(json.dumps(found.metadata()))
    with pytest.raises(edgediff.EdgediffError, match="suffix"):
        found.save(tmp_path / "x.pdf")


def test_classes_of_a_model_without_text(golden, command, tmp_path):
    args = ["grid", "-m", golden / "labels", "-o", tmp_path / "x.jpg", "--over", "label=1,golden retriever", *DRAW]
    assert command(*args, "--steps", "1").code == 0
    assert read_metadata(tmp_path / "x.jpg")["grid"]["columns"] == ["class_label=1", "class_label=golden retriever"]


def test_a_png_on_stdout_is_a_png(bundle, tmp_path):
    """Nothing else may stand there."""
    import subprocess  # noqa: PLC0415 - one test's
    import sys  # noqa: PLC0415

    code = "from edgediff.cli import main; main()"
    args = ["grid", "a", "-m", str(bundle), "-o", "-", "--over", "steps=1,2", *DRAW]
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, check=True, cwd=tmp_path)
    assert Image.open(io.BytesIO(done.stdout)).format == "PNG"


def test_settings_of_a_setting_error_name_the_option(command, bundle):
    outcome = command("grid", "a", "-m", bundle, "--over", "steps=4,0")
    assert (outcome.code, "`steps` is 0: expected a whole number of at least 1" in outcome.err) == (1, True)
    with pytest.raises(SettingError), edgediff.load(bundle) as pipeline:
        edgediff.grid(pipeline, "a", over={"strength": [0.5]})


def test_run_goes_on_with_the_next_variation_seed_and_tells_a_random_one(command, bundle, tmp_path):
    (tmp_path / "prompts.txt").write_text("a cat\na dog\n", encoding="utf-8")
    args = ["run", "--prompts", tmp_path / "prompts.txt", "-m", bundle, "--steps", "1", "--variation-strength", "0.5"]
    outcome = command(*args, "-o", tmp_path / "x.png", *DRAW)
    settings = [read_metadata(tmp_path / f"x-{index}.png")["settings"] for index in range(2)]
    assert settings[1]["variation_seed"] == settings[0]["variation_seed"] + 1
    assert outcome.err == f"variation seed {settings[0]['variation_seed']}\n"
    told = command(*args, "-o", tmp_path / "y.png", *DRAW, "--variation-seed", "5", "--to-prompt", "a cow")
    assert (told.code, told.err) == (0, "")
    assert read_metadata(tmp_path / "y-1.png")["settings"]["variation_seed"] == 6
    again = command("run", "--repeat", tmp_path / "y-1.png", "-m", bundle, "-o", tmp_path / "z.png")
    assert again.code == 0, again.err
    assert read_metadata(tmp_path / "z.png")["settings"]["to_prompts"] == ["a cow"]
