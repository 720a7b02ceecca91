"""The record: what it keeps, that it survives the file, that it stays small, that a strange file is refused."""

from __future__ import annotations

import dataclasses
import json
import pickle

import numpy as np
import pytest

from edgediff_runtimes.bundle import sha256_of
from edgediff_runtimes.errors import ComponentFileError, SettingError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality import RECORD_NAME, Reference, Runner, make_reference
from edgediff_runtimes.quality.making import PROBED_LEVELS, PROBED_PICTURES


def probes_of(reference, role):
    return [probe for probe in reference.probes if probe.role == role]


def assert_same(one, other):
    np.testing.assert_array_equal(one.pictures, other.pictures)
    for mine, theirs in zip(one.probes, other.probes, strict=True):
        assert (mine.role, mine.output, mine.timestep) == (theirs.role, theirs.output, theirs.timestep)
        assert mine.feeds.keys() == theirs.feeds.keys()
        for name, array in mine.feeds.items():
            np.testing.assert_array_equal(array, theirs.feeds[name], strict=True)
        np.testing.assert_array_equal(mine.expected, theirs.expected, strict=True)
    facts = [(r.prompts, r.seeds, r.steps, r.guidance, r.width, r.height, r.engine) for r in (one, other)]
    assert facts[0] == facts[1]


def test_pictures_are_those_of_the_pipeline(reference, tiny, fake_engine):
    assert (reference.seeds, reference.steps, reference.guidance) == ((5, 6, 7), 8, 3.0)
    assert (reference.width, reference.height, reference.engine) == (64, 64, "fake 1")
    with Pipeline(tiny, Placement(engine=fake_engine)) as pipeline:
        for prompt, seed, picture in zip(reference.prompts, reference.seeds, reference.pictures, strict=True):
            drawn = pipeline(prompt, seed=seed, steps=8).images[0]
            np.testing.assert_array_equal(picture, np.asarray(drawn))


def test_probes_cover_every_component_all_noise_levels_and_both_branches(reference, answers):
    levels = [probe.timestep for probe in probes_of(reference, "unet")]
    assert len(levels) == PROBED_PICTURES * PROBED_LEVELS
    assert levels[: len(levels) // 2] == levels[len(levels) // 2 :] == sorted(set(levels), reverse=True)
    assert (max(levels), min(levels)) == (876, 1)  # first and last of eight steps, leading with an offset of one
    for probe in probes_of(reference, "unet"):
        unconditional, conditional = probe.feeds["encoder_hidden_states"]
        assert not np.array_equal(unconditional, conditional)
        np.testing.assert_array_equal(probe.feeds["sample"][0], probe.feeds["sample"][1])
    assert {role: len(probes_of(reference, role)) for role in ("text_encoder", "vae_decoder", "vae_encoder")} == (
        dict.fromkeys(("text_encoder", "vae_decoder", "vae_encoder"), PROBED_PICTURES)
    )
    for probe in reference.probes:
        np.testing.assert_array_equal(probe.expected, answers[probe.role](probe.feeds)[probe.output])


def test_few_steps_have_fewer_levels(fp32):
    reference = make_reference(fp32, prompts=["a cat"], steps=2, guidance=1)
    assert [probe.timestep for probe in probes_of(reference, "unet")] == [501, 1]
    assert [len(probe.feeds["sample"]) for probe in probes_of(reference, "unet")] == [1, 1]


def test_the_vae_is_probed_on_the_middle_of_a_large_picture(fp32):
    reference = make_reference(fp32, prompts=["a cat"], steps=1, width=264, height=512)
    (decoder,), (encoder,) = probes_of(reference, "vae_decoder"), probes_of(reference, "vae_encoder")
    assert decoder.feeds["latent_sample"].shape == (1, 4, 32, 32)
    assert decoder.expected.shape == (1, 3, 256, 256)
    assert encoder.feeds["sample"].shape == (1, 3, 256, 256)
    middle = 2 * (reference.pictures[0, 128:384, 4:260].astype(np.float32) / 255) - 1
    np.testing.assert_allclose(encoder.feeds["sample"][0], middle.transpose(2, 0, 1), atol=1e-6)


def test_a_bundle_without_an_encoder_is_recorded(fp32, tiny):
    components = {role: part for role, part in tiny.manifest.components.items() if role != "vae_encoder"}
    bundle = dataclasses.replace(
        tiny,
        manifest=dataclasses.replace(
            tiny.manifest, components=components, recipe=tiny.manifest.recipe.only(list(components))
        ),
    )
    reference = make_reference(Runner(bundle, fp32.placement), prompts=["a cat"], steps=1)
    assert probes_of(reference, "vae_encoder") == []


def test_what_is_saved_is_read_back(reference, tmp_path):
    entry = reference.save(tmp_path)
    path = tmp_path / RECORD_NAME
    assert (entry.path, entry.bytes, entry.sha256) == (RECORD_NAME, path.stat().st_size, sha256_of(path))
    assert_same(Reference.load(path), reference)


def test_two_savings_are_the_same_bytes(reference, tmp_path):
    (tmp_path / "again").mkdir()
    assert reference.save(tmp_path) == reference.save(tmp_path / "again")


def test_embeddings_are_stored_once_a_prompt_and_not_at_every_level(reference, tmp_path):
    reference.save(tmp_path)
    with np.load(tmp_path / RECORD_NAME) as file:
        shapes = [file[name].shape for name in file.files]
    assert (
        shapes.count((2, 12, 8)) == 2 * PROBED_PICTURES
    )  # as the text encoder gives them, and as the network takes them


def test_progress_is_told(fp32):
    seen = []
    make_reference(fp32, prompts=["a", "b"], steps=1, on_progress=lambda *event: seen.append(event))
    assert seen == [("reference pictures", done, 2) for done in range(3)]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"prompts": []}, "`evaluate` is .*: expected at least one prompt"),
        ({"seed": -1}, "`seed` is -1"),
        ({"seed": 0.5}, "`seed` is 0.5"),
        ({"steps": 0}, "`steps` is 0"),
        ({"width": 60}, "`width` is 60"),
    ],
)
def test_settings_that_cannot_be_applied_are_refused(fp32, options, sentence):
    with pytest.raises(SettingError, match=sentence):
        make_reference(fp32, **options)


class _Planted:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was read",))


def _written(path, **arrays):
    np.savez(path, **arrays)


def _text(**changes):
    values = {
        "version": 1,
        "engine": "fake 1",
        "steps": 1,
        "guidance": 1.0,
        "prompts": ["a"],
        "seeds": [0],
        "pictures": "a0",
        "probes": [],
    }
    return np.frombuffer(json.dumps({**values, **changes}).encode(), np.uint8)


PICTURES = np.zeros((1, 8, 8, 3), np.uint8)


def test_the_smallest_record_is_read(tmp_path):
    _written(tmp_path / "x.npz", record=_text(), a0=PICTURES)
    assert Reference.load(tmp_path / "x.npz").prompts == ("a",)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"record": _text()},
        {"record": np.array(pickle.dumps(_Planted())), "a0": PICTURES},
        {"record": np.array([_Planted()], object), "a0": PICTURES},
        {"record": _text(), "a0": np.array([_Planted()], object)},
        {"record": np.frombuffer(b"[1]", np.uint8), "a0": PICTURES},
        {"record": np.frombuffer(b"\xff", np.uint8), "a0": PICTURES},
        {"record": _text(version=2), "a0": PICTURES},
        {"record": _text(seeds=[0, 1]), "a0": PICTURES},
        {"record": _text(seeds=["0"]), "a0": PICTURES},
        {"record": _text(prompts=[], seeds=[]), "a0": PICTURES[:0]},
        {"record": _text(), "a0": PICTURES.astype(np.float32)},
        {"record": _text(), "a0": PICTURES[0]},
        {"record": _text(probes=[{"role": "unet"}]), "a0": PICTURES},
        {"record": _text(probes=[{"role": "unet", "feeds": {"x": "a9"}, "output": "y", "expected": "a0"}])},
    ],
    ids=lambda arrays: "-".join(arrays) or "nothing",
)
def test_a_strange_record_is_one_sentence(tmp_path, arrays):
    _written(tmp_path / "x.npz", **arrays)
    with pytest.raises(ComponentFileError) as caught:
        Reference.load(tmp_path / "x.npz")
    assert "is no record of quality (" in caught.value.sentence
    assert "\n" not in caught.value.sentence


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 cut"])
def test_what_is_no_archive_is_one_sentence(tmp_path, content):
    path = tmp_path / "x.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ComponentFileError, match="is no record of quality"):
        Reference.load(path)


def test_a_damaged_record_is_one_sentence(reference, tmp_path):
    reference.save(tmp_path)
    data = bytearray((tmp_path / RECORD_NAME).read_bytes())
    for place in range(100, len(data), 97):
        data[place] ^= 0xFF
    (tmp_path / RECORD_NAME).write_bytes(data)
    with pytest.raises(ComponentFileError, match="is no record of quality"):
        Reference.load(tmp_path / RECORD_NAME)
