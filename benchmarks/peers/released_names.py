"""A pipeline with the names of tensors that released models have, which is what other programs look for.

transformers 5 writes a CLIP text encoder without the ``text_model.`` that every release before it wrote. Older versions
then start from random weights instead, with no more than a warning, and stable-diffusion.cpp finds no model at all.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path

_PREFIX, _RENAMED = "text_model.", "CLIPTextModel"
_LENGTH = struct.Struct("<Q")  # a safetensors file: the header's length, the header as JSON, the tensors


def release(pipeline: Path, target: Path) -> None:
    """Make ``target``: links to the files of a diffusers directory, its text encoder written anew."""
    for folder, _, names in os.walk(pipeline, followlinks=True):  # rglob goes through no links
        for file in (Path(folder, name) for name in names):
            place = target / file.relative_to(pipeline)
            place.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".safetensors" and _lacks_prefix(file.with_name("config.json")):
                _rename(file, place)
            else:
                place.symlink_to(file)


def _lacks_prefix(config: Path) -> bool:
    """Whether it is the config of a CLIP text encoder without a projection; one with it has kept its names."""
    return config.is_file() and json.loads(config.read_text(encoding="utf-8")).get("architectures") == [_RENAMED]


def _rename(source: Path, target: Path) -> None:
    with source.open("rb") as old, target.open("wb") as new:
        (length,) = _LENGTH.unpack(old.read(_LENGTH.size))
        header = {_released(name): entry for name, entry in json.loads(old.read(length)).items()}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight
        new.write(_LENGTH.pack(len(text)) + text)
        shutil.copyfileobj(old, new)


def _released(name: str) -> str:
    return name if name == "__metadata__" or name.startswith(_PREFIX) else _PREFIX + name
