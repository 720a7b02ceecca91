"""optimum-onnx: diffusers' pipeline around ONNX Runtime."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import onnxruntime
from drive_diffusers import draw, network_of, set_sampler
from driving import Picture
from optimum.onnxruntime import ORTDiffusionPipeline

VERSIONS = {name: version(name) for name in ("optimum-onnx", "onnxruntime", "diffusers", "transformers", "torch")}


def load(job: dict[str, Any]) -> Callable[..., Picture]:
    """A directory of ONNX graphs: the class is the one that it names."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    pipeline = ORTDiffusionPipeline.from_pretrained(job["optimum-onnx"], session_options=options)
    set_sampler(pipeline, job)
    pipeline.set_progress_bar_config(disable=True)
    network: list[float] = []
    drawing = network_of(pipeline)
    _time_calls(drawing.session, network, drawing)
    return partial(draw, pipeline, network)


class _TimedSession:
    """ONNX Runtime's session, its two ways to run timed."""

    def __init__(self, session: onnxruntime.InferenceSession, seconds: list[float]) -> None:
        self._session = session
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the session has
        found = getattr(self._session, name)
        return self._timed(found) if name in ("run", "run_with_iobinding") else found

    def _timed(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*values: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever it takes
            began = time.perf_counter()
            result = run(*values, **named)
            self._seconds.append(time.perf_counter() - began)
            return result

        return timed


def _time_calls(session: onnxruntime.InferenceSession, seconds: list[float], owner: Any) -> None:  # noqa: ANN401 - optimum's model
    owner.session = _TimedSession(session, seconds)
