"""A loaded graph of ONNX Runtime's.

Settings below that are not the library's defaults were chosen by measurement; ``benchmarks/engine_settings.py`` repeats
it and ``benchmarks/README.md`` has the figures.
"""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import final

import numpy as np

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.base import EngineOptions, Graph, Session, Share
from edgediff_runtimes.engines.failing import failed
from edgediff_runtimes.engines.forking import HomeProcess, keep_in_forks
from edgediff_runtimes.engines.onnxruntime_assignment import RECORD, assigned, profiled
from edgediff_runtimes.engines.onnxruntime_contexts import CONTEXT, MAKE, kept_context
from edgediff_runtimes.engines.onnxruntime_library import ort
from edgediff_runtimes.engines.onnxruntime_providers import CPU, Reached, device_name
from edgediff_runtimes.engines.onnxruntime_weights import changed_model
from edgediff_runtimes.errors import Cancelled, EngineError
from edgediff_runtimes.precisions import precision_of
from edgediff_runtimes.tensors import Array, TensorSpec

# ONNX Runtime's type strings and the NumPy dtypes they stand for.
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
}
# What becomes of int8 weights that are multiplied in float32. Left to itself the library multiplies matrices with
# activations that it rounds to int8, which nobody asked for: the first entry ends that, and all weights are widened
# once, at load. To save memory the second leaves them as they are, and each is widened in front of its use: 0.44 GB
# private for the 2.6 GB of Stable Diffusion XL's U-Net, where the library's own products of int8 took 3.2 GB and 1.6
# times as long.
_INT8_WIDENED = (("session.disable_quant_qdq", "1"),)
_UNFOLDED = ("optimization.disable_specified_optimizers", "ConstantFolding")
_INT8_KEPT = (*_INT8_WIDENED, _UNFOLDED)
_FATAL_ONLY = 4  # the library's severity: its errors are raised here, and it would print a cancelled run as an error
# Graphs for fixed shapes that are kept at a time: a run with guidance and one without differ in their batch.
_KEPT_SHAPES = 2
Shapes = tuple[tuple[int, ...], ...]


@final
@dataclass(frozen=True, slots=True)
class Opener:
    """Opens a graph for a device."""

    graph: Graph
    reached: Reached
    options: EngineOptions
    kept: list[object] = field(default_factory=list)  # other weights, which live as long as what was opened with them

    def open(self, lengths: Mapping[str, int], *, profile: Path | None = None) -> ort.InferenceSession:
        """The graph, loaded; compiled, where a compiled one was kept.

        Args:
            lengths: Axes that get a fixed length, by name.
            profile: Where a profile is to be written that says who computes what; None: there is none.

        Raises:
            EngineError: It cannot be loaded.
            AdapterError: Other weights do not fit.
        """
        if not self.reached.provider.contexts or self.graph.change is not None:
            return self._open(lengths, profile, None)
        build = partial(self._open, lengths, profile)
        return kept_context(self.graph, self.reached, lengths, build, keep=self.options.keep_compiled)

    def _open(self, lengths: Mapping[str, int], profile: Path | None, kept: Path | None) -> ort.InferenceSession:
        """``kept``: where the compiled graph is, or where it is to be written; None: nowhere."""
        row, plugged = self.reached.provider, self.reached.plugged
        settings = session_options(self.graph.precision, self.options)
        settings.add_session_config_entry(*RECORD)
        if profile is not None:
            settings.enable_profiling = True
            settings.profile_file_prefix = str(profile / "profile")
        for axis, length in lengths.items():
            settings.add_free_dimension_override_by_name(axis, length)
        providers: list[object] = [] if row.name == CPU else [(row.name, self.reached.settings)]
        model: str | bytes = str(self.graph.path)
        if self.graph.change is not None:
            model, values = changed_model(self.graph, self.graph.change, settings)
            self.kept.append(values)
            if self.options.low_memory and precision_of(self.graph.precision).calibrated:
                # It leaves weights that are only stored in int8 as they are, but not those that are in float16 now.
                settings.add_session_config_entry(*_UNFOLDED)
        elif kept is not None and (kept / CONTEXT).exists():
            model = str(kept / CONTEXT)
        elif kept is not None:
            for name, value in MAKE.items():
                settings.add_session_config_entry(name, value)
            settings.add_session_config_entry("ep.context_file_path", str(kept / CONTEXT))
        try:
            if plugged:
                settings.add_provider_for_devices([*plugged[:1]], self.reached.settings)
                return ort.InferenceSession(model, sess_options=settings)
            return ort.InferenceSession(model, sess_options=settings, providers=[*providers, CPU])
        except Exception as error:  # its exceptions share no base class but Exception
            where = "" if row.name == CPU else f" on `{row.device}`"
            raise failed(f"ONNX Runtime cannot load `{self.graph.role}`{where}", _first_line(error), error) from error


@final
class OnnxRuntimeSession(Session):
    """A graph on one device. Where that needs fixed shapes, it is opened for those of a call; the last are kept."""

    def __init__(self, opener: Opener) -> None:
        graph, row = opener.graph, opener.reached.provider
        self._role = graph.role
        self._opener: Opener | None = opener
        self._fixed = row.fixed is not None and not _has_fixed_shapes(graph)
        self._home = HomeProcess()
        self._lock = threading.Lock()
        self._sessions: OrderedDict[Shapes | None, ort.InferenceSession] = OrderedDict()
        # What the CPU alone computes needs no measuring.
        self._profiles = None if row.name == CPU else tempfile.TemporaryDirectory(prefix="edgediff-profile-")
        self._profiled: ort.InferenceSession | None = None
        self._shares: dict[str, Share] = {}
        self.threads = opener.options.threads  # the library does not tell how many it takes by itself
        if self._fixed and graph.inputs:
            self.inputs = {spec.name: spec for spec in graph.inputs}
            self.outputs = {spec.name: spec for spec in graph.outputs}
        elif self._fixed:
            raise EngineError(
                f"`{row.device}` needs the names of all axes of `{self._role}`, because {row.fixed}: "
                "got a bundle without a manifest, expected one that edgediff exported"
            )
        else:
            session = self._session(None)
            self.inputs = {node.name: _spec(node) for node in session.get_inputs()}
            self.outputs = {node.name: _spec(node) for node in session.get_outputs()}
        halves = any(spec.dtype == "float16" for spec in (*self.inputs.values(), *self.outputs.values()))
        self.execution = row.execution or ("f16" if precision_of(graph.precision).half or halves else "f32")

    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        """Compute the graph; see ``Session.run``."""
        self._home.check(f"`{self._role}`")
        names = list(self.outputs)
        feeds = {name: np.asarray(array, order="C") for name, array in feeds.items()}  # keeps a scalar one
        opener = self._opener  # whose weights must outlive this run
        session = self._session(tuple(feeds[name].shape for name in self.inputs) if self._fixed else None)
        run_options = ort.RunOptions()
        run_options.log_severity_level = _FATAL_ONLY

        def interrupt() -> None:
            run_options.terminate = True

        try:
            with (cancel or CancelToken()).interrupting(interrupt):
                results = session.run(names, feeds, run_options)
        except Cancelled:
            raise
        except Exception as error:
            if cancel is not None and cancel.cancelled:
                raise Cancelled from None
            raise failed(f"ONNX Runtime failed in `{self._role}`", _first_line(error), error) from error
        del opener
        return dict(zip(names, results, strict=True))

    def close(self) -> None:
        """Free the graph; a run that is under way keeps it until it is done."""
        with self._lock:
            self._opener = None
            self._sessions.clear()
            self._end_profile()

    def _session(self, shapes: Shapes | None) -> ort.InferenceSession:
        with self._lock:
            if self._opener is None:
                raise EngineError(f"the session of `{self._role}` is closed")
            session = self._sessions.pop(shapes, None)
            if session is None:
                session = self._opened(self._opener, shapes)
                keep_in_forks(session)
            self._sessions[shapes] = session
            while len(self._sessions) > _KEPT_SHAPES:
                self._sessions.popitem(last=False)
            return session

    def _lengths(self, shapes: Shapes | None) -> dict[str, int]:
        """The length of each axis that has a name; axes that follow from others the library works out."""
        if shapes is None:
            return {}
        return {
            axis: length
            for spec, shape in zip(self.inputs.values(), shapes, strict=True)
            for axis, length in zip(spec.shape, shape, strict=True)
            if isinstance(axis, str) and axis.isidentifier()
        }

    def _opened(self, opener: Opener, shapes: Shapes | None) -> ort.InferenceSession:
        """A graph opened; the first one of a device is profiled, others are the same graph for another size."""
        lengths = self._lengths(shapes)
        if self._profiles is None or self._profiled is not None or self._shares:
            session = opener.open(lengths)
            nodes = assigned(session)
            if self._profiles is None and nodes is not None:
                self._shares = {device_name(CPU): Share(nodes, 1.0)}
            return session
        self._profiled = opener.open(lengths, profile=Path(self._profiles.name))
        return self._profiled

    def shares(self) -> Mapping[str, Share]:
        """Who computed how much; see ``Session.shares``."""
        with self._lock:
            if self._profiled is not None:
                self._shares = profiled(self._profiled)
                self._profiled = None
            return self._shares

    def left(self) -> tuple[str, ...]:
        """See ``Session.left``."""
        on_cpu = None if self._profiles is None else self.shares().get(device_name(CPU))
        return () if on_cpu is None else on_cpu.operators

    def _end_profile(self) -> None:
        if self._profiled is not None:
            self._profiled.end_profiling()
            self._profiled = None
        if self._profiles is not None:
            self._profiles.cleanup()


def session_options(precision: str, options: EngineOptions) -> ort.SessionOptions:
    """The library's settings for a graph of that precision."""
    settings = ort.SessionOptions()
    settings.log_severity_level = _FATAL_ONLY
    settings.intra_op_num_threads = options.threads or 0
    if precision_of(precision).widened:
        for entry in _INT8_KEPT if options.low_memory else _INT8_WIDENED:
            settings.add_session_config_entry(*entry)
    if options.low_memory:
        settings.enable_cpu_mem_arena = False
        settings.enable_mem_pattern = False
        settings.add_session_config_entry("session.disable_prepacking", "1")
        # The last level rearranges convolution weights, which takes a second copy of them. Below it, and without
        # prepacking, weights are used where they lie in the mapped file: 76 MB private in place of 2.5 GB for a 3.4 GB
        # U-Net at one small step.
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        if precision == "fp16":
            # The library widens each weight in a node of its own. Its usual order runs all of these first, so that all
            # weights are there in float32 at once; by priority each runs in front of its use: 52 MB private in place of
            # 486 for 252 MB of weights, bit for bit the same. (It would do harm to `w8`: 9 GB in place of 0.44.)
            settings.execution_order = ort.ExecutionOrder.PRIORITY_BASED
    return settings


def _has_fixed_shapes(graph: Graph) -> bool:
    return bool(graph.inputs) and all(isinstance(axis, int) for spec in graph.inputs for axis in spec.shape)


def _spec(node: ort.NodeArg) -> TensorSpec:
    shape = tuple(axis if isinstance(axis, int) else str(axis) for axis in node.shape)
    return TensorSpec(node.name, _DTYPES.get(node.type, node.type), shape)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
