"""Weights, chunks, changes from step to step, layers of CLIP and embeddings, against diffusers.

Its embeddings are made here with PyTorch, from the web UI's documented formula. In fp32; latents within 1e-3 of their
largest value.
"""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import torch
from drawn_by_families import MODELS

import edgediff

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")

STEPS, SEED, GUIDANCE = 5, 7, 4.0
# What a prompt says, and the same by hand: chunks of words with their weights.
PROMPT = "a (red:1.4) [apple] BREAK on a ((table)), a (green (tree:0.5):1.2)"
CHUNKS = [
    [("a", 1.0), ("red", 1.4), ("apple", 1 / 1.1)],
    [("on a", 1.0), ("table", 1.1**2), (", a", 1.0), ("green", 1.2), ("tree", 0.6)],
]
NEGATIVE, NEGATIVE_CHUNKS = "(dull:1.3) grey", [[("dull", 1.3), ("grey", 1.0)]]


def _weighted(tokenizer, encode, chunks, count):
    """States of the chunks one behind the other, padded with those of no text."""
    states = []
    for chunk in chunks + [[]] * (count - len(chunks)):
        ids, weights = [tokenizer.bos_token_id], [1.0]
        for words, weight in chunk:
            own = tokenizer(words, add_special_tokens=False)["input_ids"]
            ids, weights = ids + own, weights + [weight] * len(own)
        ids.append(tokenizer.eos_token_id)
        ids += [tokenizer.pad_token_id] * (tokenizer.model_max_length - len(ids))
        weights += [1.0] * (len(ids) - len(weights))
        with torch.no_grad():
            plain = encode(torch.tensor([ids]))
        scaled = plain * torch.tensor(weights)[None, :, None]
        states.append(scaled * (plain.mean() / scaled.mean()))
    return torch.cat(states, dim=1)


def _close(ours, theirs):
    theirs = theirs.numpy()
    assert ours.shape == theirs.shape
    return np.abs(ours - theirs).max() <= 1e-3 * np.abs(theirs).max()


@pytest.fixture(scope="module")
def emoji(source):
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(source)
    pipeline.set_progress_bar_config(disable=True)
    # Where diffusers 0.42.1 looks for the last norm, and transformers 5 has none; not as a module within itself.
    object.__setattr__(pipeline.text_encoder, "text_model", pipeline.text_encoder)
    return pipeline


@pytest.fixture(scope="module")
def ours(bundle):
    with edgediff.load(bundle) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def embeds(emoji):
    """``embeds(chunks, count)``: the states of the emoji model's text encoder."""
    return lambda chunks, count: _weighted(
        emoji.tokenizer, lambda ids: emoji.text_encoder(ids).last_hidden_state, chunks, count
    )


def _drawn(pipeline, **options):
    generator = torch.Generator("cpu").manual_seed(SEED)
    common = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "output_type": "latent", "generator": generator}
    return pipeline(**{**common, **options}).images


def test_weights_and_chunks(emoji, ours, embeds):
    prompt, negative = embeds(CHUNKS, 2), embeds(NEGATIVE_CHUNKS, 2)
    got = ours.encode(PROMPT, NEGATIVE, syntax="a1111")
    assert _close(got.prompt_embeds, prompt)
    assert _close(got.negative_prompt_embeds, negative)
    asked = {"negative_prompt": NEGATIVE, "syntax": "a1111", "seed": SEED, "steps": STEPS, "guidance": GUIDANCE}
    expected = _drawn(emoji, prompt_embeds=prompt, negative_prompt_embeds=negative)
    assert _close(ours(PROMPT, **asked).latents, expected)
    assert not _close(ours("a red apple", **asked).latents, expected)


@pytest.mark.parametrize("split", [False, True])
def test_changes_from_step_to_step(emoji, bundle, embeds, split):
    each = [embeds([[("a", 1.0), (name, 1.2)]], 1) for name in ("apple", "pear")]
    negative = embeds([[("dull", 1.0)]], 1)

    def after(_pipeline, index, _t, values):
        return {"prompt_embeds": torch.cat([negative, each[1]])} if index == 1 else values

    expected = _drawn(emoji, prompt_embeds=each[0], negative_prompt_embeds=negative, callback_on_step_end=after)
    with edgediff.load(bundle, split_guidance=split) as pipeline:
        asked = {"negative_prompt": "dull", "seed": SEED, "steps": STEPS, "guidance": GUIDANCE, "syntax": "a1111"}
        assert _close(pipeline("a ([apple:pear:0.4]:1.2)", **asked).latents, expected)
        assert not _close(pipeline("a (apple:1.2)", **asked).latents, expected)


@pytest.mark.parametrize("skip", [1, 2])
def test_layers_of_clip(emoji, ours, skip):
    """diffusers counts from 0, the last layer, and leaves negative prompts there; ours go along, as the web UI's."""
    layer = {} if skip == 1 else {"clip_skip": skip - 1}
    negative = emoji.encode_prompt("dull", "cpu", 1, do_classifier_free_guidance=False, **layer)[0]
    expected = _drawn(emoji, prompt="a red apple", negative_prompt_embeds=negative, **layer)
    asked = {"negative_prompt": "dull", "seed": SEED, "steps": STEPS, "guidance": GUIDANCE}
    assert _close(ours("a red apple", clip_skip=skip, **asked).latents, expected)
    embeddings = ours.encode("a red apple", "dull", clip_skip=skip)
    drawn = ours(**embeddings.options, seed=SEED, steps=STEPS, guidance=GUIDANCE)
    assert _close(drawn.latents, expected)


@pytest.fixture(scope="module")
def large(exported_family):
    """The tiny SDXL in diffusers, and ours."""
    model = MODELS["stable-diffusion-xl"]
    folder = exported_family(model)
    with edgediff.load(folder / "bundle") as pipeline:
        yield model.load(folder / "source"), pipeline


def _large_embeds(pipeline, chunks, count):
    sides = []
    for tokenizer, encoder in (
        (pipeline.tokenizer, pipeline.text_encoder),
        (pipeline.tokenizer_2, pipeline.text_encoder_2),
    ):
        sides.append(
            _weighted(
                tokenizer, lambda ids, e=encoder: e(ids, output_hidden_states=True).hidden_states[-2], chunks, count
            )
        )
    return torch.cat(sides, dim=-1)


def test_both_encoders_of_sdxl(large):
    theirs, ours = large
    said, dull = "a (b:1.4) BREAK [c] (d:0.5)", "(e:1.3) f"  # in rows of few tokens
    prompt = _large_embeds(theirs, [[("a", 1.0), ("b", 1.4)], [("c", 1 / 1.1), ("d", 0.5)]], 2)
    negative = _large_embeds(theirs, [[("e", 1.3), ("f", 1.0)]], 2)
    pooled = {}
    for name, words in (("pooled_prompt_embeds", "a b"), ("negative_pooled_prompt_embeds", "e f")):
        ids = theirs.tokenizer_2(words, padding="max_length", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            pooled[name] = theirs.text_encoder_2(ids).text_embeds
    got = ours.encode(said, dull, syntax="a1111")
    assert _close(got.prompt_embeds, prompt)
    assert _close(got.pooled_prompt_embeds, pooled["pooled_prompt_embeds"])  # of the first chunk
    assert _close(got.negative_pooled_prompt_embeds, pooled["negative_pooled_prompt_embeds"])
    size = {"width": 32, "height": 32}
    expected = _drawn(theirs, prompt_embeds=prompt, negative_prompt_embeds=negative, **pooled, **size)
    asked = {"seed": SEED, "steps": STEPS, "guidance": GUIDANCE, **size}
    assert _close(ours(said, negative_prompt=dull, syntax="a1111", **asked).latents, expected)
    assert _close(ours(**got.options, **asked).latents, expected)


def test_no_negative_prompt_of_sdxl_is_zeros_with_a_syntax_too(large):
    _, ours = large
    asked = {"seed": SEED, "steps": STEPS, "guidance": GUIDANCE, "width": 32, "height": 32}
    plain = ours("a red apple", **asked).latents
    assert np.array_equal(ours("a red apple", syntax="a1111", **asked).latents, plain)
    embeddings = ours.encode("a red apple")
    assert np.array_equal(ours(**embeddings.options, **asked).latents, plain)


def test_layers_of_both_encoders_of_sdxl(large):
    """diffusers counts from 0, the last layer but one; the first encoder of the tiny model has three states."""
    theirs, ours = large
    size = {"width": 32, "height": 32}
    negative = theirs.encode_prompt("dull", do_classifier_free_guidance=False, clip_skip=1)
    without = {"negative_prompt_embeds": negative[0], "negative_pooled_prompt_embeds": negative[2]}
    expected = _drawn(theirs, prompt="a red apple", clip_skip=1, **without, **size)
    asked = {"negative_prompt": "dull", "seed": SEED, "steps": STEPS, "guidance": GUIDANCE, **size}
    assert _close(ours("a red apple", clip_skip=3, **asked).latents, expected)
    plain = ours("a red apple", **asked).latents
    assert not _close(plain, expected)
    assert np.array_equal(ours("a red apple", clip_skip=2, **asked).latents, plain)
