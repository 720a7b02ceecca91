"""The reference record: what the fp32 model draws and computes, so that a bundle can be measured without it.

It is one ``.npz`` file of plain arrays inside the bundle, ``quality/reference.npz``: pictures as uint8, *probes*
(inputs and fp32 outputs of each component at a few points of the fp32 trajectories), and a text that says what they
are. No pickle is written or read. Equal arrays, as a prompt's embeddings at all noise levels are, are stored once.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.bundle import Bundle, FileEntry, sha256_of
from edgediff_runtimes.errors import ComponentFileError, ManifestError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.tensors import Array
from edgediff_runtimes.untrusted.bounds import RECORD_BYTES, STEPS
from edgediff_runtimes.untrusted.documents import parse_json, read_bytes

RECORD_NAME = "quality/reference.npz"
_VERSION = 1
_TEXT = "record"
_RGB_AXES = 3


@final
@dataclass(frozen=True, slots=True)
class Probe:
    """One call of a component of the fp32 model.

    Attributes:
        role: The component.
        feeds: Its inputs by name, in the dtypes of the fp32 graph.
        output: Name of the output that was kept.
        expected: That output.
        timestep: Of a network: the time step it was called with, which says how noisy its input is; else None.
    """

    role: str
    feeds: Mapping[str, Array] = field(repr=False)
    output: str
    expected: Array = field(repr=False)
    timestep: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Reference:
    """What the fp32 model drew and computed.

    Attributes:
        prompts: One per picture; all held out from calibration.
        seeds: One per picture.
        steps: Sampling steps.
        guidance: Guidance scale.
        pictures: ``(pictures, height, width, 3)``, uint8.
        probes: Points of the trajectories of the first pictures.
        engine: Name and version of what computed it.
    """

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: int
    guidance: float
    pictures: NDArray[np.uint8] = field(repr=False)
    probes: tuple[Probe, ...] = field(repr=False)
    engine: str

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.pictures.shape[2])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.pictures.shape[1])

    def save(self, folder: Path) -> FileEntry:
        """Write the record into a bundle's directory.

        Args:
            folder: The directory of the bundle.

        Returns:
            What the manifest's ``quality.reference`` must say.
        """
        arrays = _Arrays()
        text = {
            "version": _VERSION,
            "engine": self.engine,
            "steps": self.steps,
            "guidance": self.guidance,
            "prompts": self.prompts,
            "seeds": self.seeds,
            "pictures": arrays.add(self.pictures),
            "probes": [
                {
                    "role": probe.role,
                    "timestep": probe.timestep,
                    "feeds": {name: arrays.add(array) for name, array in probe.feeds.items()},
                    "output": probe.output,
                    "expected": arrays.add(probe.expected),
                }
                for probe in self.probes
            ],
        }
        path = folder / RECORD_NAME
        path.parent.mkdir(exist_ok=True)
        encoded = np.frombuffer(json.dumps(text, allow_nan=False).encode(), np.uint8)
        np.savez_compressed(path, **{_TEXT: encoded, **arrays.kept})
        return FileEntry(RECORD_NAME, path.stat().st_size, sha256_of(path))

    @classmethod
    def of(cls, bundle: Bundle) -> Reference | None:
        """The record that a bundle carries; None where its quality was not measured.

        Raises:
            ComponentFileError: The file is missing, was altered, or is no such record.
        """
        if bundle.manifest.quality is None:
            return None
        entry = bundle.manifest.quality.reference
        bundle.check_hash(entry)
        return cls.load(bundle.locate(entry.path))

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read a record.

        Raises:
            ComponentFileError: The file cannot be read, or is no such record.
        """
        name = f"{path.parent.name}/{path.name}"
        try:
            arrays = _read_arrays(read_bytes(path, name=name, bound=RECORD_BYTES))
            text = parse_json(arrays.pop(_TEXT).tobytes().decode(), printable=True)
            return _read(Fields(text, _TEXT), arrays)
        except (
            Exception
        ) as error:  # NumPy's, zip's and zlib's readers of damaged files raise whatever they stumble over
            raise ComponentFileError(name, f"is no record of quality ({_first_line(error)})") from error


def _read_arrays(data: bytes) -> dict[str, Array]:
    """The arrays of a record that is no larger unpacked than a record may be."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        unpacked = sum(member.file_size for member in file.infolist())
    if unpacked > RECORD_BYTES.most:
        raise ValueError(f"it has {unpacked:,} bytes unpacked: expected {RECORD_BYTES.expected}")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _read(text: Fields, arrays: Mapping[str, Array]) -> Reference:
    if text.integer("version") != _VERSION:
        raise text.fail("version", f"{_VERSION}")
    prompts, seeds = text.strings("prompts"), tuple(text.array("seeds"))
    pictures = arrays[text.string("pictures")]
    shaped = pictures.ndim == _RGB_AXES + 1 and pictures.shape[3] == _RGB_AXES and pictures.size > 0
    if pictures.dtype != np.uint8 or not shaped:
        raise text.fail("pictures", f"uint8 pictures in RGB, not {pictures.dtype} of shape {pictures.shape}")
    if not len(prompts) == len(seeds) == len(pictures) > 0 or not all(type(seed) is int for seed in seeds):
        raise text.fail("seeds", f"as many prompts and whole seeds as there are pictures, {len(pictures)}")
    return Reference(
        prompts=prompts,
        seeds=seeds,
        steps=text.integer("steps", minimum=1, bound=STEPS),
        guidance=text.number("guidance"),
        pictures=pictures,
        probes=tuple(_read_probe(item, arrays) for item in text.objects("probes")),
        engine=text.string("engine"),
    )


def _read_probe(text: Fields, arrays: Mapping[str, Array]) -> Probe:
    feeds = text.fields("feeds")
    return Probe(
        role=text.string("role"),
        feeds={name: arrays[feeds.string(name)] for name in feeds.values},
        output=text.string("output"),
        expected=arrays[text.string("expected")],
        timestep=text.optional_number("timestep"),
    )


@final
class _Arrays:
    """Arrays on their way into a file, each kept once."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}  # of arrays; NumPy's stubs take them for its options
        self._names: dict[tuple[Any, ...], str] = {}

    def add(self, array: Array) -> str:
        """The name that the array has in the file."""
        identity = array.dtype.str, array.shape, array.tobytes()
        name = self._names.setdefault(identity, f"a{len(self._names)}")
        self.kept[name] = array
        return name


def _first_line(error: Exception) -> str:
    text = error.sentence.removeprefix("the manifest's ") if isinstance(error, ManifestError) else str(error).strip()
    return (text or type(error).__name__).splitlines()[0]
