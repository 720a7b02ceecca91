"""Seeded mutations of every file of a source: nothing but our own errors comes out."""

from __future__ import annotations

import json
import shutil
import struct

from edgediff_exporters.opening import open_model
from edgediff_exporters.safetensors_file import map_file, read_metadata
from edgediff_exporters.sources.weight_files import weight_files

TENSORS = {
    "__metadata__": {"format": "pt"},
    "conv.weight": {"dtype": "F16", "shape": [4, 3, 1, 1], "data_offsets": [0, 24]},
    "conv.bias": {"dtype": "F32", "shape": [4], "data_offsets": [24, 40]},
    "scale": {"dtype": "BF16", "shape": [], "data_offsets": [40, 42]},
}


def test_headers_of_weights(tmp_path, fuzz, mutated):
    path = tmp_path / "model.safetensors"

    def case(rng):
        header = mutated(TENSORS, rng)
        length = len(header) if rng.random() < 0.95 else rng.choice((0, 7, 2**31, 2**63, len(header) * 2))
        path.write_bytes(struct.pack("<Q", length) + header + bytes(rng.choice((42, 42, 42, 41, 0, 4096))))
        read_metadata(path)
        mapped, entries = map_file(path)
        for entry in entries.values():
            entry.view(mapped).float().sum().item()

    fuzz(6, 3000, case)


def test_maps_of_shards(tmp_path, fuzz, mutated):
    part = tmp_path / "unet"
    part.mkdir()
    names = [f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for name in names:
        (part / name).write_bytes(b"")
    values = {"metadata": {"total_size": 42}, "weight_map": {"a": names[0], "b": names[1], "c": names[0]}}

    def case(rng):
        (part / "diffusion_pytorch_model.safetensors.index.json").write_bytes(mutated(values, rng))
        for file in weight_files(tmp_path, "unet"):
            assert file.resolve().is_relative_to(tmp_path.resolve())

    fuzz(7, 2000, case)


def test_configs_of_sources(sd1, tmp_path, fuzz, mutated):
    source = tmp_path / "source"
    shutil.copytree(sd1, source)
    files = {path: path.read_bytes() for path in sorted(source.rglob("*.json"))}

    def case(rng):
        path = rng.choice(list(files))
        path.write_bytes(mutated(json.loads(files[path]), rng))
        try:
            opened = open_model(source, config=None)
            opened.scheduler(steps=opened.recommended({"steps": 4, "guidance": 2}).steps)
        finally:
            path.write_bytes(files[path])

    fuzz(8, 50, case)
