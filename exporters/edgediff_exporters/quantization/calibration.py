"""What to calibrate with: the calls that the components of the fp32 bundle have while it really draws.

A network sees noise only at the first step; what it sees later depends on its own answers, on the prompt and on
guidance, whose two branches lie in one batch. So the bundle itself draws, from other prompts and seeds than it is
measured with, and its calls are written down: some of every picture, spread evenly over the noise levels, and other
levels of the next picture. They lie on the disk; in memory is one call at a time.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np

from edgediff_exporters.quantization.base import Calibration, Feeds
from edgediff_runtimes.engines.tapping import TappingEngine
from edgediff_runtimes.images import image_to_array
from edgediff_runtimes.quality import OnProgress, Runner, call_of
from edgediff_runtimes.quality.pictures import with_pictures
from edgediff_runtimes.results import Result
from edgediff_runtimes.settings import Options
from edgediff_runtimes.tensors import Array
from edgediff_runtimes.text import PromptTruncationWarning

# Kept of a component over all pictures, at most: more changed no range by as much as another choice of prompts does.
MOST_CALLS = 128
_FIRST_SEED = 1 << 20  # pictures are measured with seeds from 0
_GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, lie evenly whatever their number


@final
@dataclass(frozen=True, slots=True)
class RecordedCalls:
    """A ``Calibration``: one ``.npz`` file of plain arrays per call, read when it is its turn."""

    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[Feeds]:
        for path in self.files:
            with np.load(path, allow_pickle=False) as file:
                yield {name: file[name] for name in file.files}


def record_calibration(
    fp32: Runner,
    folder: Path,
    *,
    roles: Collection[str],
    prompts: Sequence[str],
    pictures: int,
    on_progress: OnProgress,
    steps: int | None = None,
    width: int | None = None,
    height: int | None = None,
) -> dict[str, Calibration]:
    """Draw with the fp32 bundle and write down what its components are called with.

    An encoder of pictures takes no part in drawing from text: it is given the pictures that were drawn.

    Args:
        fp32: The bundle.
        folder: Where the calls go; made here.
        roles: The components whose calls are wanted.
        prompts: What is drawn, in turns; labels or empty texts where the model takes no text, see ``Subjects``.
        pictures: How many pictures are drawn; picture i has its own seed.
        on_progress: Told ``(what, pictures done, pictures in all)``.
        steps: Sampling steps; None takes the bundle's.
        width: Pixels; None takes the bundle's.
        height: Pixels; None takes the bundle's.

    Returns:
        The calls by component, in the order of the pictures and then of the steps.

    Raises:
        SettingError: A setting cannot be applied.
        EdgediffError: The bundle cannot be drawn with.
    """
    kept: dict[str, list[Path]] = {role: [] for role in roles}
    tap = _Recorder(folder, roles)
    recipe = fp32.bundle.manifest.recipe
    engine = TappingEngine(fp32.engine_of(recipe.network.role), tap)
    tapped = Runner(fp32.bundle, replace(fp32.placement, engine=engine))
    with tapped.pipeline() as pipeline, warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptTruncationWarning)  # what fits calibrates as well
        for index in range(pictures):
            on_progress("calibration pictures", index, pictures)
            tap.begin(index)
            prompt, options = call_of(recipe, prompts[index % len(prompts)])
            asked: Options = {**options, "seed": _FIRST_SEED + index, "steps": steps, "width": width, "height": height}
            result = pipeline(prompt, **with_pictures(recipe, fp32.bundle.manifest.defaults, asked))
            for role, name in recipe.encoders.items():
                tap(role, {name: _pixels(result)}, {})
            for role, files in tap.calls.items():
                chosen = spread(len(files), max(1, MOST_CALLS // pictures), picture=index)
                kept[role] += [files[place] for place in chosen]
                for place in set(range(len(files))).difference(chosen):
                    files[place].unlink()
    on_progress("calibration pictures", pictures, pictures)
    return {role: RecordedCalls(tuple(files)) for role, files in kept.items()}


def spread(calls: int, most: int, *, picture: int) -> list[int]:
    """The calls of a picture to keep: evenly over its steps, and others of every picture.

    The first picture's include its first and its last call, so that both ends of the noise levels are there.

    Args:
        calls: How many it had.
        most: How many are kept of them at most.
        picture: Its index.

    Returns:
        Indices in rising order, all different.
    """
    if calls <= most:
        return list(range(calls))
    if picture == 0:
        return [round(place) for place in np.linspace(0, calls - 1, most)] if most > 1 else [0]
    phase = picture * _GOLDEN % 1
    return [int((place + phase) * calls / most) for place in range(most)]


@final
class _Recorder:
    """Writes the calls of the picture that is being drawn, each to a file of its own."""

    def __init__(self, folder: Path, roles: Collection[str]) -> None:
        self.calls: dict[str, list[Path]] = {}
        self._folder = folder
        self._roles = roles
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    def begin(self, picture: int) -> None:
        self.calls = {role: [] for role in self._roles}
        self._picture = picture

    def __call__(self, role: str, feeds: Mapping[str, Array], _outputs: Mapping[str, Array]) -> None:
        if role not in self._roles:
            return
        path = self._folder / f"{role}-{self._picture:04}-{len(self.calls[role]):04}.npz"
        arrays: dict[str, Array] = dict(feeds)
        np.savez(path, **arrays)  # type: ignore[arg-type] # its stubs fear that one is called `allow_pickle`
        self.calls[role].append(path)


def _pixels(result: Result) -> Array:
    (image,) = result.images
    width, height = image.size
    return image_to_array(image, width=width, height=height)
