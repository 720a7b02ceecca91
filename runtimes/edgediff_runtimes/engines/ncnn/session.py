"""A loaded graph of ncnn's."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, final

import numpy as np

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.base import EngineOptions, Graph, Session, Share
from edgediff_runtimes.engines.failing import failed
from edgediff_runtimes.engines.forking import HomeProcess, keep_in_forks
from edgediff_runtimes.engines.ncnn.devices import Place
from edgediff_runtimes.engines.ncnn.library import ncnn, overheard
from edgediff_runtimes.engines.ncnn.segments import segments_of
from edgediff_runtimes.errors import EngineError, OutOfMemoryError
from edgediff_runtimes.tensors import Array, TensorSpec

WEIGHTS_NAME = "model.ncnn.bin"  # where graphs of several sizes share it
_NO_MEMORY = -100  # ncnn's code


def open_net(graph: Graph, place: Place, *, execution: str, options: EngineOptions) -> Any:  # noqa: ANN401 - untyped
    """The network of a graph.

    Raises:
        EngineError: It cannot be loaded, or not as it was asked for.
    """
    net = ncnn.Net()
    half, on_gpu = execution == "f16", place.gpu is not None
    told = net.opt
    told.use_vulkan_compute = on_gpu
    # Its own choice is half precision, for weights and for what lies between layers.
    told.use_fp16_packed = told.use_fp16_storage = told.use_fp16_arithmetic = half
    told.use_bf16_packed = told.use_bf16_storage = False
    if options.threads is not None:
        told.num_threads = options.threads
    if options.low_memory:
        told.use_winograd_convolution = False  # which keeps weights of convolutions in up to 7 times their size
    if on_gpu:
        net.set_vulkan_device(place.gpu)
    weights = graph.path.with_suffix(".bin")
    weights = weights if weights.exists() else graph.path.with_name(WEIGHTS_NAME)
    for file, load in ((graph.path, net.load_param), (weights, net.load_model)):
        with overheard() as said:
            code = load(str(file)) if file.exists() else None
        if code != 0:
            words = "there is no such file" if code is None else (said or ["it does not say why"])[-1]
            what = f"ncnn cannot load `{graph.role}` from `{file.name}` on `{place.device.name}`"
            raise failed(what, words, MemoryError() if code == _NO_MEMORY else RuntimeError(words))
    if on_gpu and not net.opt.use_vulkan_compute:
        raise EngineError(f"ncnn computes `{graph.role}` on the processor: expected `{place.device.name}`")
    if half and not (net.opt.use_fp16_storage or net.opt.use_fp16_packed):
        raise EngineError(f"ncnn computes `{graph.role}` in f32 on `{place.device.name}`: expected f16")
    return net


@final
class NcnnSession(Session):
    """A graph on one device. Of its inputs and outputs the first axis is one row, which ncnn does not see."""

    def __init__(self, graph: Graph, net: Any, place: Place, *, execution: str) -> None:  # noqa: ANN401 - untyped
        self._role = graph.role
        self._device = place.device.name
        self._on_gpu = place.gpu is not None
        self.execution = execution
        self.threads = None if self._on_gpu else int(net.opt.num_threads)
        self.inputs = {spec.name: spec for spec in graph.inputs}
        self.outputs = {spec.name: spec for spec in graph.outputs}
        for words, given, known in (
            ("takes", self.inputs, net.input_names()),
            ("gives", self.outputs, net.output_names()),
        ):
            if set(given) != set(known):
                raise EngineError(
                    f"the graph of `{self._role}` {words} {', '.join(known)}: the bundle says "
                    f"{', '.join(given) or 'nothing of it'}"
                )
        for spec in graph.inputs:
            if not spec.shape or spec.shape[0] != 1 or not all(isinstance(axis, int) for axis in spec.shape):
                raise EngineError(f"ncnn takes one row of fixed shape at a time: `{self._role}` has {spec}")
        places = dict(zip(net.output_names(), net.output_indexes(), strict=True))
        self._blobs = {places[name]: name for name in self.outputs}
        self._segments = segments_of(net.layers(), net.blobs(), self._blobs)
        self._seconds = [0.0] * len(self._segments)
        self._home = HomeProcess()
        self._lock = threading.Lock()
        self._net = net
        keep_in_forks(net)

    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        """Compute the graph; see ``Session.run``. It is cancelled between two stretches of its layers."""
        self._home.check(f"`{self._role}`")
        net, token = self._net, cancel or CancelToken()
        if net is None:
            raise EngineError(f"the session of `{self._role}` is closed")
        extractor = net.create_extractor()
        for name, array in self._checked(feeds).items():
            # A copy, because ncnn does not keep the array alive.
            self._done(extractor.input(name, ncnn.Mat(array).clone()))
        results, seconds = {}, []
        for segment in self._segments:
            token.check()
            since = time.perf_counter()
            for blob in segment.blobs:
                code, computed = extractor.extract(blob)
                self._done(code)
                if blob in self._blobs:
                    results[self._blobs[blob]] = np.array(computed)[np.newaxis]
            seconds.append(time.perf_counter() - since)
        token.check()
        with self._lock:
            self._seconds = seconds
        return results

    def close(self) -> None:
        """Free the graph; a run that is under way keeps it until it is done."""
        with self._lock:
            self._net = None

    def shares(self) -> Mapping[str, Share]:
        """Of the last call; see ``Session.shares``."""
        with self._lock:
            timed = list(zip(self._segments, self._seconds, strict=True))
        whole = sum(self._seconds) or 1.0
        found = {}
        for on_gpu, name in ((True, self._device), (False, "cpu")):
            own = [(segment, seconds) for segment, seconds in timed if segment.on_gpu is on_gpu]
            if nodes := sum(len(segment.layers) for segment, _ in own):
                operators = frozenset[str]().union(*(segment.operators for segment, _ in own))
                time_ = sum(seconds for _, seconds in own) / whole
                found[name] = Share(nodes, time_, tuple(sorted(operators)) if self._on_gpu else ())
        return found

    def left(self) -> tuple[str, ...]:
        """See ``Session.left``."""
        on_cpu = self.shares().get("cpu")
        return on_cpu.operators if self._on_gpu and on_cpu is not None else ()

    def _checked(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The row of every input in the type that ncnn computes with, which itself looks at neither."""
        if feeds.keys() != self.inputs.keys():
            raise EngineError(
                f"ncnn failed in `{self._role}`: it takes {', '.join(self.inputs)}, got {', '.join(feeds) or 'nothing'}"
            )
        rows = {}
        for name, spec in self.inputs.items():
            array = feeds[name]
            if array.shape != spec.shape:
                got = TensorSpec(name, str(array.dtype), array.shape)
                raise EngineError(f"ncnn failed in `{self._role}`: it takes {spec}, got {got}")
            rows[name] = np.ascontiguousarray(array[0], np.float32 if array.dtype.kind == "f" else np.int32)
        return rows

    def _done(self, code: int) -> None:
        if code == _NO_MEMORY:
            raise OutOfMemoryError(f"ncnn failed in `{self._role}`: there is not enough memory")
        if code != 0:
            raise EngineError(f"ncnn failed in `{self._role}` on `{self._device}` (code {code})")
