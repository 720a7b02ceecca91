"""A ``.safetensors`` file of small weights (a LoRA, an embedding), mapped and read in float32 with NumPy."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from edgediff_runtimes.bundle.bundle import sha256_of
from edgediff_runtimes.errors import AdapterError, SettingError, shown
from edgediff_runtimes.tensors import Floats
from edgediff_runtimes.untrusted.safetensors import TensorEntry, read_header

_BF16 = "BF16"  # which NumPy has not: the upper half of a float32
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", _BF16: "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"}
_SIZES = {name: np.dtype(dtype).itemsize for name, dtype in _DTYPES.items()}
_PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")


@final
@dataclass(frozen=True, slots=True)
class AdapterFile:
    """An opened file.

    Attributes:
        name: Its name, without folders.
        sha256: Of the file.
        tensors: What it holds, by name.
        metadata: Texts in its header.
    """

    name: str
    sha256: str
    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]
    _mapped: mmap.mmap

    @classmethod
    def open(cls, path: str | Path) -> AdapterFile:
        """Map a file; its values are read when they are asked for.

        Raises:
            AdapterError: There is none, it is no safetensors file, or it is damaged.
            SettingError: ``path`` is no place of a file.
        """
        try:
            place = Path(path).expanduser()
        except (TypeError, RuntimeError) as error:
            raise SettingError("loras", got=path, expected="the path of a safetensors file") from error
        if place.suffix.lower() in _PICKLES:
            raise AdapterError(
                f"`{shown(place.name)}` is a pickle, which can run any code: expected a safetensors file",
                hint="get the `.safetensors` edition of it",
            )
        header = read_header(place, sizes=_SIZES, error=AdapterError)
        try:
            with place.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            digest = sha256_of(place)
        except OSError as error:
            raise AdapterError(f"`{shown(place.name)}` cannot be read: {error.strerror or error}") from error
        return cls(place.name, digest, header.tensors, header.metadata, mapped)

    def read(self, name: str) -> Floats:
        """A tensor in float32.

        Raises:
            AdapterError: It has values that are not finite, or several that are whole numbers.
        """
        entry = self.tensors[name]
        count = math.prod(entry.shape)
        if entry.dtype.startswith("I") and count > 1:  # one is an alpha, which some trainers store so
            raise AdapterError(f"`{self.name}` holds `{shown(name)}` as {entry.dtype}: expected floating-point numbers")
        stored = np.frombuffer(self._mapped, _DTYPES[entry.dtype], count, entry.begin) if count else np.zeros(0)
        if entry.dtype == _BF16:
            stored = (stored.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore"):
            values = stored.astype(np.float32).reshape(entry.shape)
        if not np.isfinite(values).all():
            raise AdapterError(
                f"`{self.name}` has values that are not finite, in `{shown(name)}`",
                hint="its training went wrong, or it was spoilt when it was stored in half precision",
            )
        return values

    def stated(self, field: str) -> Any:  # noqa: ANN401 - whatever the JSON text holds
        """A JSON text of the metadata; None where there is none."""
        try:
            return json.loads(self.metadata.get(field, "null"))
        except (ValueError, RecursionError):
            return None


def fingerprint_of(*facts: object) -> str:
    """Thirty-two hexadecimal digits of facts that print alike where they are alike."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
