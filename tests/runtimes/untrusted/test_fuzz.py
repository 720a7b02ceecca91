"""Ten thousand seeded mutations of every file that others write: nothing but our own errors comes out.

Not even what is no ``Exception``: the panics of libraries in Rust are not.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality.reference import Probe, Reference
from edgediff_runtimes.sampling import build_sampler
from edgediff_runtimes.sampling.reading.table import READINGS
from edgediff_runtimes.text import open_tokenizer
from edgediff_runtimes.untrusted.documents import read_json


def _values(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def use(fake_engine):
    """Open a bundle, and draw with it where that is quick."""

    def use(folder, rng):
        bundle = Bundle.open(folder)
        bundle.manifest.to_json().encode()
        with Pipeline(bundle, Placement(engine=fake_engine)) as pipeline:
            pipeline.stream("a red apple", seed=0, steps=2).close()
            if rng.random() < 0.2:
                pipeline("a red apple", seed=0, steps=2, width=64, height=64)

    return use


def test_manifests(fuzz, bundle_dir, use, mutated):
    path = bundle_dir / "edgediff.json"
    values = _values(path)

    def case(rng):
        path.write_bytes(mutated(values, rng))
        use(bundle_dir, rng)

    fuzz(0, 1000, case)


def test_schedulers(fuzz, tmp_path, mutated):
    path = tmp_path / "scheduler_config.json"
    configs = [{"_class_name": name, **_writable(reading.fields)} for name, reading in sorted(READINGS.items())]

    def case(rng):
        path.write_bytes(mutated(rng.choice(configs), rng))
        sampler = build_sampler(read_json(path, name=path.name, infinities=True), steps=3)
        if rng.random() < 0.2 and not sampler.discrete:  # those draw tokens
            sampler.sample(lambda x, _: x * np.float32(0.5), np.ones((1, 4, 2, 2), np.float32), rng=noise_source(0))

    fuzz(1, 5500, case)


def _writable(fields):
    return {name: str(value) if value in (float("inf"), -float("inf")) else value for name, value in fields.items()}


OTHER_TOKENIZERS = [
    ("qwen", "byte-level-bpe"),
    ("llama3", "byte-level-bpe"),
    ("gemma", "sentencepiece-bpe"),
    ("llama", "sentencepiece-bpe"),
    ("bert", "wordpiece"),
]


@pytest.mark.parametrize("form", ["pad-end-json", "pad-exclamation"])
def test_tokenizers(fuzz, golden, tmp_path, form, mutated):
    words = {"added_tokens.json": {"<cat-toy>": 576}, "tokenizer_config.json": {"model_max_length": 12}}
    for file in (golden / "tokenizer" / form).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for name, values in words.items():
        if not (tmp_path / name).is_file():
            (tmp_path / name).write_text(json.dumps(values), encoding="utf-8")
    files = {path: path.read_bytes() for path in sorted(tmp_path.iterdir())}

    def case(rng):
        path = rng.choice(list(files))
        values = json.loads(files[path]) if path.suffix == ".json" else {"": files[path].decode().split("\n")}
        path.write_bytes(mutated(values, rng))
        try:
            open_tokenizer(tmp_path, max_tokens=12).encode(["a <cat-toy> A red\n apple 🍎 \0"])
        finally:
            path.write_bytes(files[path])

    fuzz(2 if form == "pad-end-json" else 3, 500, case)


@pytest.mark.parametrize(("name", "kind"), OTHER_TOKENIZERS)
def test_tokenizers_of_other_kinds(fuzz, golden, tmp_path, name, kind, mutated):
    for file in (golden / "text" / name).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    files = {path: path.read_bytes() for path in sorted(tmp_path.iterdir())}

    def case(rng):
        path = rng.choice(list(files))
        values = json.loads(files[path]) if path.suffix == ".json" else {"": files[path].decode().split("\n")}
        path.write_bytes(mutated(values, rng))
        try:
            open_tokenizer(tmp_path, kind=kind, max_tokens=12).encode(["a <think> A red\n apple 🍎 \0 <s>[SEP]"])
        finally:
            path.write_bytes(files[path])

    fuzz(4 + len(name), 150, case)


def test_directories_without_a_manifest(fuzz, bundle_dir, use, mutated):
    (bundle_dir / "edgediff.json").unlink()
    names = ("model_index.json", "unet/config.json", "vae_decoder/config.json", "tokenizer/tokenizer_config.json")
    files = {bundle_dir / name: _values(bundle_dir / name) for name in (*names, "scheduler/scheduler_config.json")}

    def case(rng):
        path = rng.choice(list(files))
        path.write_bytes(mutated(files[path], rng))
        try:
            use(bundle_dir, rng)
        finally:
            path.write_text(json.dumps(files[path]), encoding="utf-8")

    fuzz(4, 500, case)


def test_records_of_quality(fuzz, tmp_path, mutated):
    numbers = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
    probes = tuple(
        Probe("unet", {"sample": numbers, "timestep": numbers[0, 0, 0]}, "out", numbers, t) for t in (9.0, 1.0)
    )
    Reference(("a", "b"), (0, 1), 2, 1.0, np.zeros((2, 8, 8, 3), np.uint8), probes, "x 1").save(tmp_path)
    path = tmp_path / "quality" / "reference.npz"
    whole = path.read_bytes()
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    text = json.loads(arrays.pop("record").tobytes())

    def case(rng):
        if rng.random() < 0.7:
            np.savez(path, record=np.frombuffer(mutated(text, rng), np.uint8), **arrays)
        else:
            data = bytearray(whole)
            for _ in range(rng.choice((1, 3, 20))):
                data[rng.randrange(len(data))] = rng.randrange(256)
            path.write_bytes(data)
        Reference.load(path)

    fuzz(5, 2000, case)
