"""Weights read in place: each tensor is a view of a memory-mapped ``.safetensors`` file.

Nothing is loaded until a tensor's values are looked at, and the pages that hold them can be dropped by the system at
any time: they count as resident, never as private memory. We drop them ourselves once they were used, so that they
push nothing else out.

float8 without scales is read as it is: every such number is a float32 and a float16 too, so widening loses nothing.
float8 with one scale per tensor is multiplied out where it is read, see ``scaled``. Weights that are quantised in
another way, with scales beside them, are refused: as plain numbers they would be another model.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from edgediff_exporters.safetensors_file import map_file
from edgediff_exporters.scaled import ScaledTensor
from edgediff_runtimes.errors import SourceError, shown

# What quantisers call the tensors of scales beside a layer's `weight`, or beside its `weight._data`.
_SCALES = frozenset({
    "SCB", "_scale", "absmax", "input_scale", "scale", "scale_input", "scale_weight", "scales", "weight_scale",
    "weight_scale_inv",
})  # fmt: skip


# Of these, one number by which a float8 weight is multiplied, https://github.com/comfyanonymous/ComfyUI.
_ONE_SCALE = ("scale_weight", "weight_scale")
_NOT_READ = frozenset({"input_scale", "scale_input", "scaled_fp8"})  # of arithmetic in float8, and a mark of such files


@final
@dataclass(frozen=True, slots=True)
class Weights:
    """Tensors by name, as views of mapped files. A file stays mapped while any of its tensors lives.

    Attributes:
        tensors: The tensors.
        maps: The mapped files.
    """

    tensors: Mapping[str, torch.Tensor]
    maps: tuple[mmap.mmap, ...]

    def renamed(self, rename: Callable[[str], str]) -> Weights:
        """The same tensors by other names."""
        return Weights({rename(name): tensor for name, tensor in self.tensors.items()}, self.maps)

    def drop_pages(self) -> None:
        """Let go of the memory behind the tensors; they can be used as before and are read from the files again."""
        if sys.platform == "linux":  # elsewhere dropping may lose data or is not offered: the system decides there
            for mapped in self.maps:
                mapped.madvise(mmap.MADV_DONTNEED)


def map_weights(paths: list[Path]) -> Weights:
    """Map one ``.safetensors`` file, or the shards of one component.

    Raises:
        SourceError: A file is truncated, damaged, no such file, or quantised.
    """
    tensors: dict[str, torch.Tensor] = {}
    maps = []
    for path in paths:
        mapped, entries = map_file(path)
        maps.append(mapped)
        tensors.update(_multiplied_out({name: entry.view(mapped) for name, entry in entries.items()}))
    _refuse_quantised(tensors, names=" and ".join(path.name for path in paths[:2]))
    return Weights(tensors, tuple(maps))


def _multiplied_out(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a file, with the scales of those in float8 that have one each."""
    scales = {}
    for name, tensor in tensors.items():
        layer, dot, leaf = name.rpartition(".")
        if leaf in _ONE_SCALE and tensor.numel() == 1:
            weight = tensors.get(f"{layer}{dot}weight")
            if weight is not None and weight.is_floating_point() and weight.dtype.itemsize == 1:
                scales[f"{layer}{dot}weight"] = name
    if not scales:
        return tensors
    used = {*scales.values()}
    return {
        name: ScaledTensor(tensor, tensors[scales[name]]) if name in scales else tensor
        for name, tensor in tensors.items()
        if name not in used and name.rpartition(".")[2] not in _NOT_READ
    }


def _refuse_quantised(tensors: Mapping[str, torch.Tensor], *, names: str) -> None:
    scaled = _scaled(tensors)
    for name, tensor in tensors.items():
        layer, _, leaf = name.rpartition(".")
        if tensor.dtype.itemsize == 1 and tensor.dtype != torch.bool and layer in scaled and leaf not in _SCALES:
            raise SourceError(
                f"`{names}` holds `{shown(name)}` in {str(tensor.dtype).removeprefix('torch.')} with scales beside it: "
                "expected weights that are not quantised",
                hint="get the edition of the model in half or single precision, and quantise with `precision`",
            )


def _scaled(names: Iterable[str]) -> set[str]:
    """The layers that have tensors of scales."""
    layers = set()
    for name in names:
        layer, _, leaf = name.rpartition(".")
        if leaf in _SCALES:
            layers |= {layer, layer.removesuffix(".weight")}
    return layers
