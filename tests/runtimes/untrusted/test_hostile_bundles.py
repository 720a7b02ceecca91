"""Bundles that were made to do harm end in a sentence: no foreign exception, no waiting, no memory without end."""

from __future__ import annotations

import json
import os
import zipfile

import numpy as np
import pytest

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.compiled_cache import CompiledCache
from edgediff_runtimes.errors import BundleError, ComponentFileError, EdgediffError, ManifestError, SettingError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality.reference import Reference
from edgediff_runtimes.untrusted.bounds import Bound


def _edit(bundle_dir, path, value):
    file = bundle_dir / "edgediff.json"
    values = whole = json.loads(file.read_text(encoding="utf-8"))
    *before, last = path
    for key in before:
        values = values[key]
    values[last] = value
    file.write_text(json.dumps(whole), encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("defaults", "steps"), 10**7),
        (("defaults", "width"), 8 * 10**20),
        (("defaults", "height"), 800_000),
        (("stages", 0, "space", "channels"), 10**9),
        (("stages", 0, "space", "factor"), 10**30),
        (("stages", 0, "result", 0, "over"), 1e-320),
        (("stages", 0, "result", 0, "over"), 1e308),
        (("tokenizers", 0, "max_tokens"), 10**10),
    ],
    ids=str,
)
def test_a_number_that_becomes_memory_is_refused_with_the_reason(bundle_dir, path, value):
    _edit(bundle_dir, path, value)
    with pytest.raises(BundleError, match=", because ") as caught:
        Bundle.open(bundle_dir)
    assert str(path[-1]) in caught.value.sentence or path[-1] == "over"  # of a part, whose place is named


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("components", "unet", "files", 0, "path"), "\ud800"),
        (("tokenizers", 0, "path"), "\udcff"),
        (("provenance", "source"), "\x1b]0;owned\x07"),
        (("provenance", "licence"), "a\rerased"),
        (("tasks",), ["\x9b31m"]),
        (("scheduler", "x"), {"a": [[[[1e-3]]]] * 2, "\x1b": 1}),
        (("format_version",), "1" * 4301 + ".0"),
        (("format_version",), "\u0661.0"),
        (("format_version",), "1.0\n"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_text_that_cannot_be_shown_or_means_nothing(bundle_dir, path, value):
    _edit(bundle_dir, path, value)
    with pytest.raises(EdgediffError) as caught:
        Bundle.open(bundle_dir)
    assert caught.value.sentence.isprintable()


@pytest.mark.skipif(os.name == "nt", reason="it has no pipes among files")
@pytest.mark.parametrize(
    "name", ["edgediff.json", "unet/config.json", "scheduler/scheduler_config.json", "model_index.json"]
)
def test_a_pipe_among_the_files_is_not_waited_for(bundle_dir, name):
    if name != "edgediff.json":
        (bundle_dir / "edgediff.json").unlink()
    else:
        (bundle_dir / "model_index.json").unlink()
    (bundle_dir / name).unlink()
    os.mkfifo(bundle_dir / name)
    with pytest.raises(EdgediffError):
        Bundle.open(bundle_dir)


@pytest.mark.parametrize("blocks", [0, 12, 10**5])
def test_blocks_of_an_autoencoder_are_counted_before_they_are_a_power(bundle_dir, blocks):
    (bundle_dir / "edgediff.json").unlink()
    path = bundle_dir / "vae_decoder" / "config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, "block_out_channels": [1] * blocks}), encoding="utf-8")
    with pytest.raises(ManifestError, match=r"block_out_channels.* 1 to 11 blocks"):
        Bundle.open(bundle_dir)


@pytest.mark.parametrize("limit", [-5, 0, 1, True, None, 1e30, "7", [77]])
def test_a_limit_of_tokens_that_is_none_is_clips(bundle_dir, limit):
    (bundle_dir / "edgediff.json").unlink()
    (bundle_dir / "tokenizer" / "tokenizer_config.json").write_text(json.dumps({"model_max_length": limit}))
    assert Bundle.open(bundle_dir).manifest.tokenizers[0].max_tokens == 77


def test_infinities_of_diffusers_in_a_scheduler_are_read_and_told(bundle_dir):
    (bundle_dir / "edgediff.json").unlink()
    config = {"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": float("-inf")}
    (bundle_dir / "scheduler" / "scheduler_config.json").write_text(json.dumps(config), encoding="utf-8")
    bundle = Bundle.open(bundle_dir)
    assert bundle.manifest.scheduler["lambda_min_clipped"] == "-inf"
    with Pipeline(bundle) as pipeline:
        assert len(pipeline.fingerprint) == 16
        assert len(pipeline("a red apple", seed=0, steps=2).images) == 1


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"width": 100_000, "height": 100_000}, "width"),
        ({"width": 16_384, "height": 16_384, "images": 2}, "images"),
        ({"images": 10**9}, "images"),
        ({"images": 4096, "prompt": ["a", "b"]}, "images"),
        ({"steps": 10**9}, "steps"),
    ],
    ids=str,
)
def test_settings_that_no_memory_holds_are_refused_before_anything_is_made(tiny, fake_engine, options, name):
    with (
        Pipeline(tiny, Placement(engine=fake_engine)) as pipeline,
        pytest.raises(SettingError, match=rf"`{name}` is .*, because ."),
    ):
        pipeline(**{"prompt": "a", "seed": 0, **options})


def _npz(path, header):
    with zipfile.ZipFile(path, "w") as file, file.open("record.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, header)


def _damage(path, offset_in_local, offset_in_central, value):
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\x03\x04") + offset_in_local] = value
    data[data.find(b"PK\x01\x02") + offset_in_central] = value
    path.write_bytes(data)


@pytest.fixture
def record(tmp_path):
    pictures = np.zeros((1, 8, 8, 3), np.uint8)
    Reference(("a",), (0,), 2, 1.0, pictures, (), "x").save(tmp_path)
    return tmp_path / "quality" / "reference.npz"


def test_a_record_of_quality_is_read(record):
    assert Reference.load(record).prompts == ("a",)


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: _npz(path, {"descr": "|u1", "fortran_order": False, "shape": (1 << 50,)}),
        lambda path: _npz(path, {"descr": "|u1", "fortran_order": False, "shape": (-1,)}),
        lambda path: np.savez(path, record=np.array([{}], dtype=object)),
        lambda path: np.savez(path, record=np.zeros(3, "f4")),
        lambda path: np.savez(path, other=np.zeros(3)),
        lambda path: _damage(path, 6, 8, 1),  # says that it is encrypted
        lambda path: _damage(path, 8, 10, 99),  # an unknown compression
        lambda path: path.write_bytes(path.read_bytes()[:60] + b"\xff" * 40 + path.read_bytes()[100:]),
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: np.savez(path, record=np.frombuffer(b"[" * 100_000, np.uint8)),
        lambda path: np.savez(path, record=np.frombuffer(b'{"version": 1, "prompts": ["\\ud800"]}', np.uint8)),
    ],
)
def test_a_damaged_record_of_quality_is_one_sentence(record, harm):
    harm(record)
    with pytest.raises(ComponentFileError, match=r"reference\.npz` is no record of quality") as caught:
        Reference.load(record)
    assert len(caught.value.sentence) < 500


def test_a_record_that_unpacks_to_more_than_a_record_has(record, monkeypatch):
    with zipfile.ZipFile(record, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("record.npy", bytes(1 << 20))
    monkeypatch.setattr("edgediff_runtimes.quality.reference.RECORD_BYTES", Bound(1 << 19, "this is a test"))
    assert record.stat().st_size < 1 << 19
    with pytest.raises(ComponentFileError, match=r"1,048,\d+ bytes unpacked: expected .* at most 524,288, because"):
        Reference.load(record)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("EDGEDIFF_CACHE", "~nobody-of-that-name/x"),
        ("EDGEDIFF_CACHE_LIMIT", "9" * 400 + "GB"),
        ("EDGEDIFF_CACHE_LIMIT", "nan"),
        ("EDGEDIFF_CACHE_LIMIT", "-1"),
    ],
)
def test_odd_variables_of_the_cache_are_named(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingError, match=f"`{variable}` is "):
        CompiledCache.of_user()


@pytest.mark.parametrize("value", ["/dev/null/x", "/nowhere/" + "x" * 5000])
def test_a_cache_that_cannot_be_there_is_empty(monkeypatch, value):
    monkeypatch.setenv("EDGEDIFF_CACHE", value)
    assert tuple(CompiledCache.of_user().entries()) == ()


@pytest.mark.parametrize(
    "text", ["[" * 100_000, f'{{"a": {"9" * 5000}}}', "null", '{"role": "\\ud800"}', '{"role": "\\u001b"}']
)
def test_a_note_of_the_cache_that_is_none(tmp_path, text):
    (tmp_path / "compiled" / "x").mkdir(parents=True)
    (tmp_path / "compiled" / "x" / "entry.json").write_text(text, encoding="utf-8")
    assert tuple(CompiledCache(tmp_path / "compiled", 1 << 30).entries()) == ()
