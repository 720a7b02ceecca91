"""A loaded graph of OpenVINO's: runs, their cancelling, and what must be compiled again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import final

import numpy as np

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.base import Session
from edgediff_runtimes.engines.forking import HomeProcess, keep_in_forks
from edgediff_runtimes.engines.openvino.compiling import Compiler, Shapes
from edgediff_runtimes.engines.openvino.failures import failure
from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.engines.openvino.ports import names_of, specs_of, tensors_of
from edgediff_runtimes.errors import Cancelled, EngineError
from edgediff_runtimes.tensors import Array

# Models for fixed shapes that are kept at a time: a run with guidance and one without differ in their batch.
_KEPT_SHAPES = 2
# The axes, by their names in the manifest, that a picture's size says. Batch and length of a prompt stay open: they
# differ from call to call. With all axes fixed OpenVINO 2026.4.1 was seen to end the process as it compiled a U-Net.
_OF_THE_SIZE = frozenset({"height", "width", "tokens"})


@final
class OpenVinoSession(Session):
    """A graph compiled for a device; every run has an inference request of its own.

    Where the device needs fixed shapes, or a size is asked for, the graph is compiled for those of the first call, and
    again for others; the last ones are kept. A size fixes the axes that a picture's size says, see ``_OF_THE_SIZE``.
    """

    def __init__(self, compiler: Compiler, *, low_memory: bool, static: bool) -> None:
        graph = compiler.graph
        self._compiler: Compiler | None = compiler
        self._role = graph.role
        self._home = HomeProcess()
        self._all_fixed = compiler.place.quirks.static_shapes is not None
        sized = static and any(_OF_THE_SIZE.intersection(spec.shape) for spec in graph.inputs)
        self._static = sized or self._all_fixed
        self._low_memory = low_memory
        self._lock = threading.Lock()
        self._models: OrderedDict[Shapes | None, _Model] = OrderedDict()
        first = compiler.read() if self._static else self._model(None).compiled
        self.inputs = specs_of(first.inputs, graph.inputs)
        self.outputs = specs_of(first.outputs, graph.outputs)
        self._results = names_of(first.outputs, graph.outputs)
        self.execution = compiler.execution if self._static else compiler.computed_in(first)

    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        """Compute the graph; see ``Session.run``."""
        self._home.check(f"`{self._role}`")
        token = cancel or CancelToken()
        # Kept in this frame until the run is over: tensors point into them. A tensor needs memory that it could write.
        arrays = {name: np.require(array, requirements=["C", "W"]) for name, array in feeds.items()}
        tensors = tensors_of(self._role, arrays, self.inputs)
        shapes = tuple(arrays[name].shape for name in self.inputs)
        while True:
            token.check()
            model = self._model(self._fixed(shapes))
            token.check()
            results = model.run(tensors, shapes, token, self._role, release=self._low_memory)
            if results is not None:
                return dict(zip(self._results, results, strict=True))

    def close(self) -> None:
        """Free the graph; a run that is under way keeps it until it is done."""
        with self._lock:
            self._compiler = None
            self._models.clear()

    def _fixed(self, shapes: Shapes) -> Shapes | None:
        """The shapes to compile for; -1 is an axis of any length."""
        if self._all_fixed or not self._static:
            return shapes if self._static else None
        return tuple(
            tuple(length if axis in _OF_THE_SIZE else -1 for length, axis in zip(shape, spec.shape, strict=True))
            for shape, spec in zip(shapes, self.inputs.values(), strict=True)
        )

    def _model(self, shapes: Shapes | None) -> _Model:
        with self._lock:
            if self._compiler is None:
                raise EngineError(f"the session of `{self._role}` is closed")
            model = self._models.pop(shapes, None)
            if model is None or model.spoilt:
                model = _Model(self._compiler.compile(shapes))
                self.threads = self._compiler.threads(model.compiled)
            self._models[shapes] = model
            while len(self._models) > _KEPT_SHAPES:
                self._models.popitem(last=False)
            return model


@final
class _Model:
    """A compiled model, and whether it can still be trusted.

    A run that is cancelled inside a graph with dynamic shapes spoils the graph: nodes that had prepared for the new
    shapes keep them, and the next run whose shapes are those of the last finished one finds nothing to prepare and
    computes with them (seen with the CPU device of 2026.4.1; ``test_openvino_cancelling.py`` has the case). So after
    such a run the graph is compiled again, unless it never ran with other shapes. Runs that were under way meanwhile
    are made again.
    """

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self.compiled = compiled
        keep_in_forks(compiled)
        self.spoilt = False
        self._lock = threading.Lock()
        self._shapes: set[Shapes] = set()  # that it was ever run with
        self._running: list[ov.InferRequest] = []

    def run(
        self, tensors: list[ov.Tensor], shapes: Shapes, token: CancelToken, role: str, *, release: bool
    ) -> list[Array] | None:
        """The outputs, or None where another run spoilt the model meanwhile.

        Raises:
            Cancelled: The token was cancelled.
            EngineError: OpenVINO failed.
        """
        try:
            request = self.compiled.create_infer_request()
            for index, tensor in enumerate(tensors):
                request.set_input_tensor(index, tensor)
            with self._lock:
                self._running.append(request)
                self._shapes.add(shapes)
            try:
                return self._infer(request, token)
            finally:
                with self._lock:
                    self._running.remove(request)
                    # Working buffers are given back only when no other run is using them.
                    if release and not self._running:
                        self.compiled.release_memory()
        except Cancelled:
            raise
        except Exception as error:  # RuntimeError today; what it may raise is not documented
            raise failure(f"failed in `{role}`", error) from error

    def _infer(self, request: ov.InferRequest, token: CancelToken) -> list[Array] | None:
        try:
            with token.interrupting(request.cancel):
                request.start_async()
                if token.cancelled or self.spoilt:  # a cancel that came before the start found nothing to end
                    request.cancel()
                request.wait()
        except Exception:
            by_another_run = self._spoil()
            token.check()
            if by_another_run:
                return None
            raise
        token.check()
        if self.spoilt:
            return None
        # Copied, because the request's own memory goes with it.
        return [request.get_output_tensor(index).data.copy() for index in range(len(self.compiled.outputs))]

    def _spoil(self) -> bool:
        """Give the model up, unless it only ever had one shape; whether another run had done so before."""
        with self._lock:
            before, self.spoilt = self.spoilt, self.spoilt or len(self._shapes) > 1
            if self.spoilt and not before:
                for request in self._running:  # they compute, or will, in shapes that are not theirs
                    request.cancel()
            return before
