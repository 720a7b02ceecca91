"""Prompts in a syntax, another layer of CLIP, and embeddings in place of prompts, with an engine of NumPy functions."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.doubts import doubts
from edgediff_runtimes.errors import ImageError, SettingError
from edgediff_runtimes.infotext import infotext
from edgediff_runtimes.picture_files import read_metadata
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.recipe.declarations import Graph, Pad, Tokens
from edgediff_runtimes.settings.options import Options
from edgediff_runtimes.settings.prompting import check_weighable, with_clip_skip
from edgediff_runtimes.settings.resolve import options_of
from edgediff_runtimes.tensors import TensorSpec
from edgediff_runtimes.text import PromptTruncationWarning

LONG = "the red cat the green tree the dog the garden the table the apple"  # in chunks of ten tokens


@pytest.fixture
def pipeline(tiny, fake_engine):
    with Pipeline(tiny, Placement(engine=fake_engine)) as pipeline:
        yield pipeline


@pytest.fixture
def told(answers):
    """What the U-Net was told of texts, call by call: of the negative ones, then of the prompts."""
    seen, unet = [], answers["unet"]
    answers["unet"] = lambda feeds: seen.append(feeds["encoder_hidden_states"].copy()) or unet(feeds)
    return seen


def _encoded(calls):
    """Rows of each call of the text encoder."""
    return [shapes["input_ids"] for role, shapes in calls if role == "text_encoder"]


def _same(first, second):
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(first.images, second.images, strict=True))


def test_without_a_syntax_brackets_are_text(pipeline):
    plain = pipeline("the (red:2)", seed=3)
    assert plain.settings.syntax is None
    weighed = pipeline("the (red:2)", seed=3, syntax="a1111")
    assert not _same(plain, weighed)


@pytest.mark.parametrize("syntax", ["a1111", "compel"])
def test_a_prompt_without_brackets_is_drawn_as_without_a_syntax(pipeline, syntax):
    options = {"seed": 3, "negative_prompt": "a dog", "images": 2}
    with_it = pipeline(["a red apple", "the cat"], syntax=syntax, **options)
    assert np.array_equal(with_it.latents, pipeline(["a red apple", "the cat"], **options).latents)


def test_weights_reach_the_network(pipeline, told):
    pipeline("a (red:1.5) apple", seed=3, syntax="a1111")
    pipeline("a red apple", seed=3)
    weighed, plain = told[0][1], told[-1][1]
    ratio = weighed / plain
    assert np.allclose(ratio[0], ratio[0, 0])  # the mean that is restored
    factors = ratio[:, 0] / ratio[0, 0]
    assert np.allclose(factors, [1, 1, 1.5, 1, *[1] * 8], atol=1e-5)
    assert np.isclose(weighed.mean(), plain.mean(), rtol=1e-5)


def test_long_prompts_are_chunks_and_the_negative_one_is_padded(pipeline, told, calls):
    with pytest.warns(PromptTruncationWarning, match='`syntax="a1111"`'):
        pipeline(LONG, seed=3)
    result = pipeline(LONG, seed=3, syntax="a1111")
    assert [array.shape for array in told[-3:]] == [(2, 24, 8)] * 3
    assert _encoded(calls)[-1] == (4, 12)
    negative = told[-1][0]
    assert np.array_equal(negative[:12], negative[12:])  # no text, twice
    with pipeline.stream(LONG, seed=3, syntax="a1111") as run:
        assert run.settings.prompts == (LONG,)
    assert result.images[0].size == (64, 64)


def test_too_long_is_refused(pipeline, calls):
    with pytest.raises(SettingError, match=r"expected at most 64, because every step attends to all chunks"):
        pipeline("the BREAK " * 65, syntax="a1111")
    with pytest.raises(SettingError, match="'100,001 characters': expected at most 100,000, because"):
        pipeline("a" * 100_001, syntax="a1111")
    assert not [role for role, _ in calls if role == "unet"]


def test_a_prompt_changes_from_step_to_step(pipeline, told, calls):
    pipeline("a [red:green:2] apple", seed=3, steps=5, syntax="a1111", negative_prompt="a dog")
    # Each text once: the two of the prompt and the negative one.
    assert _encoded(calls) == [(3, 12)]
    changing, calls[:] = told[:], []
    told.clear()
    pipeline("a red apple", seed=3, steps=1, negative_prompt="a dog")
    pipeline("a green apple", seed=3, steps=1, negative_prompt="a dog")
    red, green = told
    assert [np.array_equal(array, red) for array in changing] == [True, True, False, False, False]
    assert [np.array_equal(array, green) for array in changing] == [False, False, True, True, True]


def test_negative_prompts_change_too_and_texts_take_turns(pipeline, told):
    pipeline("the [cat|dog]", negative_prompt="[tree::0.5]", seed=3, steps=4, syntax="a1111")
    negatives, prompts = [array[0] for array in told], [array[1] for array in told]
    assert [np.array_equal(array, prompts[0]) for array in prompts] == [True, False, True, False]
    assert [np.array_equal(array, negatives[0]) for array in negatives] == [True, True, False, False]


def test_several_prompts_change_at_their_own_steps(pipeline, told):
    pipeline(["[red:green:1] cat", "the dog", "[red:green:3] cat"], seed=3, steps=4, syntax="a1111", images=2)
    rows = [array[6:] for array in told]  # behind the negative ones
    for one, other in ((0, 1), (2, 3), (4, 5)):  # two pictures each
        assert all(np.array_equal(array[one], array[other]) for array in rows)
    changed = [[not np.array_equal(array[row], rows[0][row]) for array in rows] for row in (0, 2, 4)]
    assert changed == [[False, True, True, True], [False] * 4, [False, False, False, True]]


@pytest.mark.parametrize("options", [{}, {"guidance": 1}, {"guidance_interval": (0.5, None)}, {"images": 2}])
def test_each_call_is_told_the_text_of_its_step_however_it_is_made(tiny, fake_engine, options):
    asked = {"prompt": "[red:green:2] (cat:1.2)", "syntax": "a1111", "seed": 3, "steps": 4, **options}
    with Pipeline(tiny, Placement(engine=fake_engine)) as together:
        expected = together(**asked).latents
    with Pipeline(tiny, Placement(engine=fake_engine), split_guidance=True) as apart:
        np.testing.assert_allclose(apart(**asked).latents, expected, atol=1e-5)


def test_from_a_picture_the_steps_that_are_made_are_counted(pipeline, told):
    picture = Image.new("RGB", (64, 64), "red")
    pipeline("[red:green:0.5] cat", image=picture, strength=0.4, steps=10, seed=3, syntax="a1111")
    assert [np.array_equal(array, told[0]) for array in told] == [True, True, False, False]


def test_predictions_are_not_reused_where_the_text_changes(pipeline):
    asked = {"seed": 3, "steps": 8, "syntax": "a1111"}
    with pytest.raises(SettingError, match="expected `1`, because the prompts change from step to step"):
        pipeline("[red:green:2] cat", reuse_guidance=2, **asked)
    assert pipeline("(red:1.2) cat", reuse_guidance=2, **asked).images


def test_a_picture_is_drawn_again_from_its_settings(pipeline, tmp_path):
    result = pipeline(["(red:1.3) cat", "[a|the] dog"], seed=3, syntax="a1111", negative_prompt="(tree)")
    [_, path] = result.save(tmp_path / "dog.png")
    prompt, options = options_of(read_metadata(path)["settings"])
    assert options["syntax"] == "a1111"
    assert np.array_equal(pipeline(prompt, **options).latents[0], result.latents[1])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"syntax": "weird"}, "`syntax` is 'weird': expected one of a1111, compel, or nothing"),
        ({"syntax": "a1111", "negative_prompt": "(tree"}, "`negative_prompt` is '(tree': expected brackets in pairs"),
        ({"clip_skip": 0}, "`clip_skip` is 0: expected a whole number of at least 1"),
        ({"clip_skip": 1.5}, "`clip_skip` is 1.5: expected a whole number"),
        ({"clip_skip": 2}, "expected 1, because the graph of `text_encoder` gives the states of its last layer alone"),
    ],
)
def test_what_cannot_be_applied_is_refused(pipeline, calls, options, said):
    with pytest.raises(SettingError) as caught:
        pipeline("a cat", **options)
    assert said in caught.value.sentence
    assert not calls


def test_a_model_without_text_takes_none_of_it(golden):
    with Pipeline(Bundle.open(golden / "labels")) as pipeline:
        for name, value in {
            "syntax": "a1111",
            "clip_skip": 1,
            "prompt_embeds": np.zeros((1, 2, 3), np.float32),
        }.items():
            with pytest.raises(SettingError) as caught:
                pipeline(class_label=1, **{name: value})
            assert "text" in caught.value.sentence


def test_other_text_encoders_are_refused(tiny):
    stage = tiny.manifest.recipe.first
    check_weighable(stage, {"tokenizer"}, "a1111")
    with pytest.raises(SettingError, match="with other text encoders than CLIP's"):
        check_weighable(stage, set(), "a1111")
    padded = dataclasses.replace(stage, given=(*stage.given, Pad("text", "wide", 1, 333)))
    with pytest.raises(SettingError, match="takes texts of one length alone"):
        check_weighable(padded, {"tokenizer"}, "a1111")


@pytest.mark.parametrize(
    ("takes", "outputs", "skip", "expected"),
    [
        ("last_hidden_state", ["last_hidden_state"], 1, "last_hidden_state"),
        ("last_hidden_state", ["last_hidden_state", "last_hidden_state.2"], 2, "last_hidden_state.2"),
        ("hidden_states.11", [f"hidden_states.{layer}" for layer in range(13)], 1, "hidden_states.12"),
        ("hidden_states.11", [f"hidden_states.{layer}" for layer in range(13)], 2, "hidden_states.11"),
        ("hidden_states.11", [f"hidden_states.{layer}" for layer in range(13)], 12, "hidden_states.1"),
    ],
)
def test_a_layer_is_counted_from_the_last(tiny, takes, outputs, skip, expected):
    given = (Tokens("tokenizer", "ids"), Graph("text", {"input_ids": "ids"}, {takes: "text", "text_embeds": "pooled"}))
    stage = dataclasses.replace(tiny.manifest.recipe.first, given=given)
    skipped = with_clip_skip(stage, skip, {"tokenizer"}, {"text": outputs})
    assert skipped.given[1].takes == {expected: "text", "text_embeds": "pooled"}


def test_a_layer_that_there_is_not_is_refused(tiny):
    stage = tiny.manifest.recipe.first
    outputs = {"text_encoder": ["last_hidden_state", "last_hidden_state.2", "last_hidden_state.3"]}
    with pytest.raises(SettingError, match="`clip_skip` is 4: expected at most 3"):
        with_clip_skip(stage, 4, {"tokenizer"}, outputs)
    with pytest.raises(SettingError, match="does not say what the graph of `text_encoder` gives"):
        with_clip_skip(stage, 2, {"tokenizer"}, {"text_encoder": []})
    with pytest.raises(SettingError, match="is told no states of a CLIP text encoder"):
        with_clip_skip(stage, 2, set(), outputs)


def test_the_layer_is_in_the_text_that_galleries_read(pipeline):
    result = pipeline("a cat", clip_skip=1, seed=3)
    assert "Clip skip: 1" in infotext(result.metadata(0))


def test_words_of_a_syntax_are_not_doubted(bundle_dir):
    values = json.loads((bundle_dir / "edgediff.json").read_text(encoding="utf-8"))
    (bundle_dir / "vocabulary.txt").write_text("a\nred\ncat\n", encoding="utf-8")
    values["provenance"]["vocabulary"] = {"path": "vocabulary.txt", "bytes": 10, "sha256": None}
    (bundle_dir / "edgediff.json").write_text(json.dumps(values), encoding="utf-8")
    bundle = Bundle.open(bundle_dir)
    with Pipeline(bundle).stream("a (red:1.2) BREAK [cat:dog:2]", syntax="a1111", seed=1) as run:
        [doubt] = [doubt for doubt in doubts(bundle, run.settings) if "taught" in doubt]
    assert "`dog`:" in doubt


def test_embeddings_draw_what_their_prompts_draw(pipeline, calls):
    asked = {"seed": 3, "images": 2}
    expected = pipeline(["a red apple", "the cat"], negative_prompt="a dog", **asked)
    embeds = pipeline.encode(["a red apple", "the cat"], "a dog")
    assert embeds.prompt_embeds.shape == embeds.negative_prompt_embeds.shape == (2, 12, 8)
    assert embeds.pooled_prompt_embeds is None
    assert set(embeds.options) == {"prompt_embeds", "negative_prompt_embeds"}
    calls.clear()
    assert np.array_equal(pipeline(**embeds.options, **asked).latents, expected.latents)
    assert not _encoded(calls)


def test_one_negative_embedding_is_for_all_prompts(pipeline):
    both, one = pipeline.encode(["a red apple", "the cat"], "a dog"), pipeline.encode("a", "a dog")
    asked = {"prompt_embeds": both.prompt_embeds, "seed": 3}
    drawn = pipeline(negative_prompt_embeds=one.negative_prompt_embeds, **asked)
    assert np.array_equal(drawn.latents, pipeline(**both.options, seed=3).latents)


def test_embeddings_may_be_mixed_and_need_no_guidance(pipeline):
    red, green = (pipeline.encode(f"a {colour} apple").prompt_embeds for colour in ("red", "green"))
    drawn = [pipeline(prompt_embeds=red + share * (green - red), guidance=1, seed=3).latents for share in (0, 0.5, 1)]
    assert np.array_equal(drawn[0], pipeline("a red apple", guidance=1, seed=3).latents)
    assert np.abs(drawn[1] - drawn[0]).max() > 0


def test_embeddings_of_a_syntax(pipeline):
    embeds = pipeline.encode(f"{LONG} (red:1.3)", "", syntax="a1111")
    assert embeds.prompt_embeds.shape == embeds.negative_prompt_embeds.shape == (1, 24, 8)
    expected = pipeline(f"{LONG} (red:1.3)", syntax="a1111", seed=3).latents
    assert np.array_equal(pipeline(**embeds.options, seed=3).latents, expected)
    with pytest.raises(SettingError, match="the same at all steps"):
        pipeline.encode("[a:b:1]", syntax="a1111")


def test_a_picture_of_embeddings_says_so_and_cannot_be_repeated(pipeline, tmp_path):
    embeds = pipeline.encode("a red apple", "")
    [path] = pipeline(**embeds.options, seed=3).save(tmp_path / "a.png")
    settings = read_metadata(path)["settings"]
    assert {name: len(digits) for name, digits in settings["embeds"].items()} == {
        "prompt_embeds": 64,
        "negative_prompt_embeds": 64,
    }
    with pytest.raises(ImageError, match="drawn from embeddings, which its file does not have"):
        options_of(settings)


def _zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prompt_embeds": [[[1.0]]]}, "`prompt_embeds` is [[[1.0]]]: expected a NumPy array of floats"),
        ({"prompt_embeds": _zeros(1, 12, 8, dtype=np.int64)}, "expected a NumPy array of floats, (prompts, tok"),
        ({"prompt_embeds": _zeros(12, 8)}, "expected a NumPy array of floats, (prompts, tokens, width)"),
        ({"prompt_embeds": np.full((1, 12, 8), np.nan)}, "expected finite numbers"),
        ({"prompt_embeds": _zeros(1, 12, 8)}, "`negative_prompt_embeds` is None: expected an array as well"),
        ({"prompt_embeds": _zeros(1, 12, 7), "guidance": 1}, "shape [1, 12, 7]': expected [1, 12, 8]"),
        ({"prompt_embeds": _zeros(1, 0, 8), "guidance": 1}, "an array of 0 tokens"),
        ({"prompt_embeds": _zeros(0, 12, 8), "guidance": 1}, "`prompt` is []"),
        (
            {"prompt_embeds": _zeros(2, 12, 8), "negative_prompt_embeds": _zeros(2, 24, 8)},
            "`negative_prompt_embeds` is 'an array of shape [2, 24, 8]': expected [2, 12, 8]",
        ),
        ({"negative_prompt_embeds": _zeros(1, 12, 8)}, "`prompt_embeds` is None: expected an array, because there is"),
        (
            {"prompt_embeds": _zeros(1, 12, 8), "negative_prompt_embeds": _zeros(1, 12, 8), "guidance": 1},
            "`negative_prompt_embeds` is 'an array': expected nothing, because without guidance above 1",
        ),
        (
            {"prompt_embeds": _zeros(1, 12, 8), "guidance": 1, "pooled_prompt_embeds": _zeros(1, 8)},
            "`pooled_prompt_embeds` is 'an array': expected nothing, because the network takes none",
        ),
        (
            {"prompt_embeds": _zeros(1, 12, 8), "guidance": 1, "negative_pooled_prompt_embeds": _zeros(1, 8)},
            "`negative_prompt_embeds` is None: expected an array, because there is `negative_pooled_prompt_embeds`",
        ),
        (
            {"prompt_embeds": _zeros(1, 12, 8), "syntax": "a1111"},
            "`syntax` is 'a1111': expected nothing beside `prompt_embeds`",
        ),
        ({"prompt_embeds": _zeros(1, 12, 8), "clip_skip": 1}, "`clip_skip` is 1: expected nothing beside"),
        ({"prompt_embeds": _zeros(1, 12, 8), "prompt": "a cat"}, "`prompt` is 'a cat': expected nothing beside"),
    ],
)  # fmt: skip
def test_embeddings_that_do_not_fit_are_refused(tiny, fake_engine, calls, options, said):
    component = tiny.manifest.components["unet"]
    spec = TensorSpec("encoder_hidden_states", "float32", ("batch", "sequence", 8))
    inputs = tuple(spec if one.name == spec.name else one for one in component.inputs)
    components = {**tiny.manifest.components, "unet": dataclasses.replace(component, inputs=inputs)}
    bundle = dataclasses.replace(tiny, manifest=dataclasses.replace(tiny.manifest, components=components))
    with Pipeline(bundle, Placement(engine=fake_engine)) as pipeline, pytest.raises(SettingError) as caught:
        pipeline(**options)
    assert said in caught.value.sentence
    assert not calls


def test_options_of_texts_are_options_of_a_call():
    assert {"syntax", "clip_skip", "prompt_embeds", "negative_pooled_prompt_embeds"} <= Options.__annotations__.keys()
