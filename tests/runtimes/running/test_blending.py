"""Pictures between two seeds and between two prompts, with an engine of NumPy functions and through a file."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.noise import noise_source, slerp
from edgediff_runtimes.parts import Value
from edgediff_runtimes.picture_files import read_metadata
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.running.blending import blended
from edgediff_runtimes.settings.resolve import options_of, resolve_settings

STOCHASTIC = "euler_a"


@pytest.fixture
def pipeline(tiny, fake_engine):
    with Pipeline(tiny, Placement(engine=fake_engine)) as pipeline:
        yield pipeline


@pytest.mark.parametrize("sampler", [None, STOCHASTIC, "dpmpp_sde"])
def test_strength_0_is_the_one_seed_and_1_the_other(pipeline, sampler):
    draw = {"sampler": sampler, "steps": 3, "images": 2}
    plain, other = (pipeline("a cat", seed=seed, **draw).latents for seed in (3, 8))
    blends = {
        strength: pipeline("a cat", seed=3, variation_seed=8, variation_strength=strength, **draw).latents
        for strength in (0, 0.5, 1)
    }
    assert np.array_equal(blends[0], plain)
    assert np.array_equal(blends[1], other)
    for end in (plain, other):
        assert np.abs(blends[0.5] - end).max() > 0.1


def test_the_noise_of_a_picture_is_the_arc_between_those_of_its_seeds(pipeline, answers):
    seen = []
    network = answers["unet"]
    answers["unet"] = lambda feeds: seen.append(feeds["sample"]) or network(feeds)
    run = {"seed": 3, "steps": 1, "guidance": 1.0, "sampler": "ddim"}
    pipeline("a cat", images=2, variation_seed=8, variation_strength=0.25, **run)
    for index, row in enumerate(seen[0]):
        first, second = (noise_source(seed + index).standard_normal((1, 4, 8, 8)) for seed in (3, 8))
        np.testing.assert_allclose(row, slerp(first, second, 0.25)[0], atol=1e-6)


def test_a_picture_of_a_batch_is_drawn_again_alone(pipeline, tmp_path):
    options = {"variation_seed": 8, "variation_strength": 0.25, "to_prompt": "a dog", "blend": 0.5}
    result = pipeline(["a cat", "a cow"], seed=3, steps=2, images=2, sampler=STOCHASTIC, **options)
    files = result.save(tmp_path / "x.png")
    for index, file in enumerate(files):
        prompt, recorded = options_of(read_metadata(file)["settings"])
        assert (recorded["seed"], recorded["variation_seed"]) == (3 + index, 8 + index)
        again = pipeline(prompt, **recorded)
        np.testing.assert_allclose(again.latents[0], result.latents[index], atol=1e-5)


def test_without_a_variation_seed_one_is_drawn_and_told(pipeline):
    first, second = (pipeline.stream("a cat", variation_strength=0.5).settings for _ in range(2))
    assert first.variation_seed != second.variation_seed
    assert (first.variation_strength, len(first.variation_seeds)) == (0.5, 1)


def test_blend_0_is_the_one_prompt_and_1_the_other(pipeline):
    draw = {"seed": 3, "steps": 2, "negative_prompt": "dull"}
    plain, other = (pipeline(prompt, **draw).latents for prompt in ("a cat", "two dogs at sea"))
    blends = {
        blend: pipeline("a cat", to_prompt="two dogs at sea", blend=blend, **draw).latents
        for blend in (0, 0.25, 0.5, 0.75, 1)
    }
    assert np.array_equal(blends[0], plain)
    assert np.array_equal(blends[1], other)
    distances = [float(np.abs(latents - plain).mean()) for latents in blends.values()]
    assert distances == sorted(distances)
    assert distances[1] > 0


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_embeddings_are_mixed_in_a_straight_line_and_negative_ones_stay(pipeline, answers, guidance):
    seen = []
    network = answers["unet"]
    answers["unet"] = lambda feeds: seen.append(feeds["encoder_hidden_states"]) or network(feeds)
    run = {"seed": 3, "steps": 1, "guidance": guidance}
    prompts, others = ["a cat", "a cow"], ["two dogs", "a fish at sea"]
    for one, options in ((prompts, {}), (others, {}), (prompts, {"to_prompt": others, "blend": 0.25})):
        pipeline(one, images=2, **run, **options)
    first, second, mixed = seen
    half = len(first) // (1 if guidance == 1 else 2)  # the unguided branch comes first
    np.testing.assert_allclose(mixed[-half:], 0.75 * first[-half:] + 0.25 * second[-half:], atol=1e-6)
    assert np.array_equal(mixed[:-half], first[:-half])


def test_what_is_the_same_for_both_stays_the_same_and_a_mask_has_the_words_of_both(manifest):
    options = {"to_prompt": "b", "blend": 0.3, "images": 2}
    settings = resolve_settings(manifest.recipe, manifest.defaults, "a", options, image_size=None)
    sizes = np.tile(np.float32([1024.1, 0.3]), (3, 1))
    mask = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]])
    table = Value(np.ones((5, 2), np.float32))
    values = {
        "sizes": Value(sizes, "texts"),
        "mask": Value(mask, "texts"),
        "scale": Value(np.arange(4, dtype=np.float32)[:, None], "pictures"),
        "table": table,
    }
    found = blended(values, settings)
    assert np.array_equal(found["sizes"].array, sizes[:2])
    assert found["mask"].array.tolist() == [[1, 1, 1, 0], [0, 0, 0, 1]]
    assert found["scale"].array.tolist() == [[0.0], [1.0]]
    assert found["table"] is table


def test_a_model_without_text_has_no_prompt_to_go_to(golden):
    from edgediff_runtimes.bundle import Bundle  # noqa: PLC0415 - one test's

    with Pipeline(Bundle.open(golden / "pixels")) as pipeline:
        for options in ({"to_prompt": "a dog"}, {"blend": 0.5}):
            with pytest.raises(SettingError, match="expected nothing, because the bundle's model takes no text"):
                pipeline(seed=1, **options)
