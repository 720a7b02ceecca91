"""Models without text, through the API and the command: labels or nothing in place of a prompt."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgediff
from edgediff.bench.request import Request, resolve
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.picture_files import read_metadata
from edgediff_runtimes.recipe import Recipe

DRAW = ["--seed", "7", "--steps", "2"]


@pytest.fixture(scope="session")
def labels(golden):
    """A DiT of ten classes, three of which have names; not to be written to."""
    return golden / "labels"


@pytest.fixture(scope="session")
def pixels(golden):
    """A DDPM; not to be written to."""
    return golden / "pixels"


def _pixels(path):
    return np.asarray(Image.open(path))


def test_a_label_is_a_number_or_a_name(labels):
    with edgediff.load(labels) as pipeline:
        both = pipeline(class_label=[7, " Golden Retriever"], seed=7, steps=2)
        alone = pipeline(class_label="7", seed=7, steps=2)
        other = pipeline(class_label="goldfish", seed=7, steps=2)
    assert both.settings.choices == {"class_label": (7, 7)}
    assert both.seeds == (7, 8)
    np.testing.assert_allclose(both.latents[:1], alone.latents, rtol=1e-5, atol=1e-6)
    assert np.abs(other.latents - alone.latents).max() > 0.1
    assert alone.images[0].size == (64, 64)


@pytest.mark.parametrize("sampler", ["euler_cfg_pp", "ddpm", "dpmpp_2m_karras"])
def test_a_learned_variance_stands_in_no_samplers_way(labels, sampler):
    """The network gives twice the channels; guidance mixes the first half, and CFG++ gets both predictions whole."""
    with edgediff.load(labels) as pipeline:
        result = pipeline(class_label=[7, 1], seed=7, steps=4, sampler=sampler)
    assert result.latents.shape == (2, 4, 8, 8)
    assert np.isfinite(result.latents).all()


def test_the_unguided_branch_gets_the_row_behind_the_classes(labels):
    """At guidance 1 the network is asked once; above, what no class would be is pushed away from."""
    with edgediff.load(labels) as pipeline:
        plain, guided = (pipeline(class_label=1, seed=7, steps=1, guidance=scale).latents for scale in (1.0, 3.0))
        halves = pipeline.stream(class_label=1, seed=7, steps=1, guidance=3.0)
        assert halves.settings.guided
        halves.close()
    assert np.abs(plain - guided).max() > 0.01


@pytest.mark.parametrize(
    ("options", "sentence", "hint"),
    [
        ({}, "`class_label` is None: expected a whole number from 0 to 9, or a name such as tench", "says which class"),
        ({"class_label": 10}, "`class_label` is 10: expected a whole number from 0 to 9", None),
        ({"class_label": -1}, "`class_label` is -1: expected", None),
        ({"class_label": []}, "`class_label` is []: expected", None),
        ({"class_label": "9" * 5000}, "expected a whole number from 0 to 9", None),
        ({"class_label": "goldfisch"}, "`class_label` is 'goldfisch': expected", "did you mean goldfish?"),
        ({"class_label": "Retriever"}, "`class_label` is 'Retriever': expected", "did you mean golden retriever?"),
        ({"class_label": [1] * 5000}, "`images` is '5,000 with all prompts': expected", None),
        ({"prompt": "a cat"}, "expected nothing, because the bundle's model takes no text", "`class_label` says"),
        ({"class_label": 1, "negative_prompt": "dull"}, "because the bundle's model takes no text", None),
        ({"class_label": 1, "width": 128}, "`width` is 128: expected 64, the only one", None),
        ({"class_label": 1, "image": Image.new("RGB", (64, 64))}, "because the bundle draws from none", None),
        ({"label": 1}, "`options` is 'label': expected one of", "it is called `class_label` here"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_a_model_of_classes_refuses(labels, options, sentence, hint):
    with edgediff.load(labels) as pipeline, pytest.raises(SettingError) as caught:
        pipeline(**options)
    assert sentence in caught.value.sentence
    assert "\n" not in caught.value.sentence
    assert (caught.value.hint is None) if hint is None else (hint in caught.value.hint)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"prompt": "a cat"}, "`prompt` is 'a cat': expected nothing, because the bundle's model takes no text"),
        ({"class_label": 1}, "`class_label` is 1: expected nothing, because the bundle's model has no classes"),
        ({"guidance": 3.0}, "`guidance` is 3.0: expected nothing, because the bundle's model does not take it"),
        ({"guidance_rescale": 0.5}, "`guidance_rescale` is 0.5: expected 0, because this run has no guidance"),
        ({"width": 15}, "`width` is 15: expected a multiple of 2"),
    ],
    ids=str,
)
def test_what_a_model_of_nothing_refuses(pixels, options, sentence):
    with edgediff.load(pixels) as pipeline, pytest.raises(SettingError) as caught:
        pipeline(**options)
    assert sentence in caught.value.sentence


def test_pixels_are_their_own_preview_and_may_have_other_sizes(pixels):
    with edgediff.load(pixels) as pipeline:
        steps = list(run := pipeline.stream(seed=7, images=3, width=24, height=20))
        result = run.result
    assert result.latents.shape == (3, 3, 20, 24)
    assert result.seeds == (7, 8, 9)
    for rough, image in zip(steps[-1].preview(), result.images, strict=True):
        assert image.size == rough.size == (24, 20)
        assert np.abs(np.asarray(rough, np.int16) - np.asarray(image, np.int16)).max() <= 1
    assert np.asarray(result.images[0]).std() > 10


def test_the_result_may_be_what_the_last_step_was_drawn_towards(pixels):
    """A sampler that adds noise in its last step too leaves a sample that no picture is made of."""
    opened = Bundle.open(pixels)
    (stage,) = opened.manifest.recipe.stages
    ended = dataclasses.replace(stage, schedule=dataclasses.replace(stage.schedule, ends="denoised"))
    bundle = dataclasses.replace(opened, manifest=dataclasses.replace(opened.manifest, recipe=Recipe((ended,))))
    with edgediff.Pipeline(bundle) as pipeline:
        noisy = {"sampler": "euler", "sampler_options": {"final_sigmas_type": "sigma_min"}}
        run = pipeline.stream(seed=7, steps=3, **noisy)
        *_, last = run
        np.testing.assert_array_equal(run.result.latents, last.denoised)
        assert np.abs(last.latents - last.denoised).max() > 1e-3
    assert Recipe.read(Fields({"stages": Recipe((ended,)).written()})) == Recipe((ended,))


def test_the_command_draws_labels_one_by_one(command, labels, tmp_path):
    outcome = command("run", "-m", labels, "--label", "Golden Retriever", "--label", 0, "-n2", "--grid", *DRAW,
                      "-o", f"{tmp_path}/{{label}}-{{seed}}.png")  # fmt: skip
    assert outcome.code == 0, outcome.err
    names = ["Golden-Retriever-7", "Golden-Retriever-8", "0-9", "0-10", "Golden-Retriever-7-grid"]
    assert outcome.out.splitlines() == [f"{tmp_path}/{name}.png" for name in names]
    settings = read_metadata(tmp_path / "0-10.png")["settings"]
    assert (settings["prompts"], settings["choices"], settings["seed"]) == ([], {"class_label": [0]}, 10)


def test_a_picture_of_a_label_is_drawn_again(command, labels, tmp_path):
    first, again = tmp_path / "first.png", tmp_path / "again-{label}.png"
    assert command("run", "-m", labels, "--label", "goldfish", *DRAW, "-o", first).code == 0
    outcome = command("run", "--repeat", first, "-m", labels, "-o", again)
    assert outcome.code == 0, outcome.err
    np.testing.assert_array_equal(_pixels(tmp_path / "again-1.png"), _pixels(first))
    assert "class_label" in command("inspect", first).out
    outcome = command("run", "--repeat", first, "--label", "0", "-m", labels, "-o", again)
    assert (outcome.code, "--repeat takes its settings from the file" in outcome.err) == (2, True)


def test_a_picture_of_nothing_needs_no_prompt_and_is_drawn_again(command, pixels, tmp_path):
    outcome = command("run", "-m", pixels, *DRAW, "-n2", "--json", "-o", f"{tmp_path}/{{index}}.png")
    assert outcome.code == 0, outcome.err
    (report,) = json.loads(outcome.out)
    assert (report["seeds"], report["settings"]["prompts"], report["settings"]["guidance"]) == ([7, 8], [], None)
    assert command("run", "--repeat", tmp_path / "1.png", "-m", pixels, "-o", tmp_path / "again.png").code == 0
    # alone and not beside another picture: engines multiply one row by another kernel
    np.testing.assert_allclose(_pixels(tmp_path / "again.png").astype(int), _pixels(tmp_path / "1.png"), atol=1)


@pytest.mark.parametrize(
    ("model", "args", "said"),
    [
        ("labels", ["a cat"], ("takes no text", "hint: `--label` says which class to draw")),
        ("labels", [], ("`--label` is None", "hint: `--label` says which class to draw")),
        ("labels", ["--label", "gold fish"], ("is 'gold fish'", "hint: did you mean goldfish")),
        ("pixels", ["a cat"], ("takes no text", "")),
        ("pixels", ["--label", "1"], ("has no classes", "")),
        ("bundle", ["a cat", "--label", "1"], ("`--label` is '1': expected nothing", "")),
    ],
    ids=str,
)
def test_the_command_refuses_in_one_sentence(command, golden, tmp_path, model, args, said):
    outcome = command("run", "-m", golden / model, *args, "-o", tmp_path / "x.png")
    assert outcome.code == 1
    assert all(words in outcome.err for words in said), outcome.err
    assert not list(tmp_path.iterdir())


def test_a_file_of_prompts_is_refused_by_a_model_without_text(command, pixels, tmp_path):
    (tmp_path / "prompts.txt").write_text("a cat\n", encoding="utf-8")
    outcome = command("run", "-m", pixels, "--prompts", tmp_path / "prompts.txt", "-o", tmp_path / "x.png")
    assert (outcome.code, "takes no text" in outcome.err) == (1, True)


def test_inspect_and_the_list_of_models_tell_labels_and_no_guidance(command, golden, labels, pixels):
    shown = " ".join(command("inspect", labels).out.split())
    assert "class-to-image" in shown
    assert "prompts: none labels: 0 to 9, tench, tinca tinca, goldfish, golden retriever" in shown
    shown = " ".join(command("inspect", pixels).out.split())
    assert "defaults: 16x16, 3 steps latents: 3 channels, the pixels prompts: none source" in shown
    rows = {Path(row["model"]).name: row for row in json.loads(command("models", golden, "--json").out)}
    assert (rows["labels"]["guidance"], rows["pixels"]["guidance"]) == (3.0, None)
    assert command("models", golden).code == 0


def test_bench_draws_a_label_or_nothing(labels, pixels, bundle):
    cases = resolve(Request((str(labels), str(pixels), str(bundle))))
    assert [case.prompt for case in cases] == [None, None, "a red apple"]
    assert [case.works[0].get("class_label") for case in cases] == ["1", None, None]
    with pytest.raises(SettingError, match="`guidance` is 2"):
        resolve(Request((str(pixels),), guidance=2.0))


def test_the_command_takes_noise_out_of_a_picture(command, pixels, tmp_path):
    noisy, first, again = (tmp_path / name for name in ("noisy.png", "first.png", "again.png"))
    levels = 128 + 25 * np.random.default_rng(0).standard_normal((16, 24, 3))
    Image.fromarray(levels.round().clip(0, 255).astype(np.uint8)).save(noisy)
    draw = ["-m", pixels, "--steps", "50", "--sampler", "ddpm"]
    outcome = command("run", *draw, "--denoise", noisy, "-o", first, "--seed", "7")
    assert (outcome.code, outcome.out) == (0, f"{first}\n")
    settings = read_metadata(first)["settings"]
    assert settings["task"] == "denoising"
    assert outcome.err == f"noise level {settings['choices']['noise_level']:.4f}\n"
    assert _pixels(first).shape == (16, 24, 3)
    assert command("run", "--repeat", first, "--denoise", noisy, "-m", pixels, "-o", again).code == 0
    assert np.array_equal(_pixels(first), _pixels(again))
    lacking = command("run", "--repeat", first, "-m", pixels)
    assert (lacking.code, "needs --denoise" in lacking.err) == (2, True)
    told = command("run", *draw, "--denoise", noisy, "--noise-level", "0.2", "-o", again, "--overwrite", "--seed", "7")
    assert (told.code, told.err) == (0, "")
    assert not np.array_equal(_pixels(first), _pixels(again))
    assert command("run", *draw, "--denoise", noisy, "--noise-level", "much").code == 2
