"""Graphs of others that enlarge a picture, such as ESRGAN's, in ONNX: used in place of Lanczos before it is drawn anew.

Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks". Such files have one input, a
picture of any size in [0, 1], and one output, the picture at a whole multiple of that size, which nothing in the file
says: one small run tells it.
"""

from __future__ import annotations

from pathlib import Path
from typing import final

import numpy as np
from PIL import Image

from edgediff_runtimes.bundle.bundle import sha256_of
from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines import EngineOptions, Graph, Session, get_engine
from edgediff_runtimes.errors import EdgediffError, NonFiniteError, SettingError
from edgediff_runtimes.parts.tiling import tiled
from edgediff_runtimes.tensors import Array, Floats

_SIDE = 192  # pixels along a tile, for which Real-ESRGAN's network takes 0.9 GB
_ENTRY = 4  # pixels that tiling counts as one: neighbours share 32 of them, of which 8 at each border are dropped
_TRIED = (16, 24)  # height and width of the run that tells the scale
_MOST = 16
_AXES, _RGB = 4, 3
_GRAPH = "a graph that takes one picture, floats (1, 3, height, width) of any size, and gives one that is larger"


@final
class Enlarger:
    """A graph that enlarges, loaded. May be called from several threads.

    Args:
        path: An ONNX file.
        threads: Threads that compute it; None leaves it to the engine.

    Attributes:
        scale: By how much it enlarges, a whole number.
        name: The file's name and the beginning of its SHA-256.

    Raises:
        SettingError: There is no such file, or the graph is another one.
        EngineError: The file cannot be loaded.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        if not isinstance(path, str | Path):
            raise SettingError("enlarger", got=path, expected="the path of an ONNX file")
        self._path = Path(path)
        if self._path.suffix.lower() != ".onnx" or not self._path.is_file():
            missing = "" if self._path.exists() else ", which does not exist"
            raise SettingError("enlarger", got=f"{path}{missing}", expected="an ONNX file, `.onnx`")
        graph = Graph("enlarger", self._path, "onnx", precision="unknown")
        options = EngineOptions(threads=threads)
        self._session: Session = get_engine("onnxruntime").load(graph, device="auto", options=options)
        try:
            self.scale = self._tried()
        except BaseException:
            self._session.close()
            raise
        self.name = f"{self._path.name} {sha256_of(self._path)[:16]}"

    def __call__(self, image: Image.Image, *, cancel: CancelToken | None = None) -> Image.Image:
        """The picture ``scale`` times as large, computed in tiles.

        Args:
            image: In RGB.
            cancel: Ends it early.

        Raises:
            NonFiniteError: The graph gave NaN or infinity.
            EngineError: The graph cannot be computed.
            Cancelled: ``cancel`` was cancelled.
        """
        pixels = np.asarray(image.convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 255
        height, width = pixels.shape[-2:]
        margins = (-height % _ENTRY, -width % _ENTRY)
        padded = np.pad(pixels, [(0, 0), (0, 0), *((0, margin) for margin in margins)], mode="edge")

        def compute(tile: Array) -> dict[str, Array]:
            return {"picture": self._run(tile, cancel)}

        rows, columns = padded.shape[-2] // _ENTRY, padded.shape[-1] // _ENTRY
        large = tiled(compute, padded, rows=rows, columns=columns, side=_SIDE // _ENTRY)["picture"]
        if not np.isfinite(large).all():
            raise NonFiniteError("enlarger")
        kept = large[0, :, : height * self.scale, : width * self.scale].clip(0, 1)
        return Image.fromarray((kept.transpose(1, 2, 0) * 255).round().astype(np.uint8))

    def close(self) -> None:
        """Free the graph. A second call does nothing."""
        self._session.close()

    def _run(self, picture: Array, cancel: CancelToken | None) -> Floats:
        (name, spec) = next(iter(self._session.inputs.items()))
        outputs = self._session.run({name: picture.astype(spec.dtype)}, cancel=cancel)
        return next(iter(outputs.values())).astype(np.float32, copy=False)

    def _tried(self) -> int:
        inputs, outputs = self._session.inputs, self._session.outputs
        if len(inputs) != 1 or len(outputs) != 1:
            raise self._refused(f"{len(inputs)} inputs and {len(outputs)} outputs")
        spec = next(iter(inputs.values()))
        fits = len(spec.shape) == _AXES and spec.dtype.startswith("float")
        if not fits or spec.shape[1] not in (_RGB, str(spec.shape[1])) or any(type(n) is int for n in spec.shape[2:]):
            raise self._refused(str(spec))
        try:
            shape = self._run(np.full((1, _RGB, *_TRIED), 0.5, np.float32), None).shape
        except EdgediffError as error:
            raise self._refused(f"one that fails at {_TRIED[1]}x{_TRIED[0]} pixels") from error
        scale = shape[-1] // _TRIED[1] if len(shape) == _AXES else 0
        if not 1 < scale <= _MOST or shape != (1, _RGB, *(side * scale for side in _TRIED)):
            raise self._refused(f"{list(shape)} for a picture of {_TRIED[1]}x{_TRIED[0]} pixels")
        return scale

    def _refused(self, got: str) -> SettingError:
        return SettingError("enlarger", got=f"{self._path.name}: {got}", expected=_GRAPH)
