"""Whether a written graph does what its module does.

A new graph is checked by the ONNX checker. Every graph is run in the real engine at two shapes: the one it was traced
at and another in which every dynamic axis differs. The module runs in float32 with the original weights, so the error
of a half-precision graph is its distance from the original, not from a rounded copy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch

from edgediff_exporters.families.base import ComponentPlan, Config, Outputs
from edgediff_exporters.reference import run_reference
from edgediff_exporters.weights import Weights
from edgediff_runtimes.bundle import Check
from edgediff_runtimes.engines import Engine, EngineOptions, Graph, engine_for
from edgediff_runtimes.errors import ToleranceError
from edgediff_runtimes.tensors import Array, TensorSpec

_SEED = 0


def verify(
    plan: ComponentPlan,
    config: Config,
    weights: Weights,
    path: Path,
    *,
    precision: str,
    on_step: Callable[[int, int], None],
) -> tuple[tuple[Check, ...], tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Check a graph and measure its error.

    Args:
        plan: The component.
        config: Its config.
        weights: Its original weights by parameter name.
        path: The graph.
        precision: The graph's, which says how large an error the plan allows.
        on_step: Told the steps done and in all.

    Returns:
        The measured errors, and the graph's inputs and outputs as the engine sees them.

    Raises:
        ToleranceError: The error is larger, or an output is not finite.
    """
    onnx.checker.check_model(str(path), full_check=True)  # by path: a graph over 2 GB cannot be passed by value
    graph = Graph(plan.role, path, "onnx", precision=precision)
    allowed = plan.tolerances[precision]
    return measure(plan, config, weights, graph, engine=engine_for("onnx"), tolerance=allowed, on_step=on_step)


def measure(
    plan: ComponentPlan,
    config: Config,
    weights: Weights,
    graph: Graph,
    *,
    engine: Engine,
    device: str = "auto",
    tolerance: float | None,
    on_step: Callable[[int, int], None],
) -> tuple[tuple[Check, ...], tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Measure the error of a graph in any format and precision; as ``verify``, without the ONNX checker.

    Args:
        plan: The component.
        config: Its config.
        weights: Its original weights by parameter name.
        graph: The graph.
        engine: What computes it.
        device: On which device of the engine.
        tolerance: The largest error allowed; None: any that is a number.
        on_step: Told the steps done and in all.

    Raises:
        EngineError: The engine cannot load or run the graph.
        ToleranceError: The error is larger, or an output is not finite.
    """
    generator = torch.Generator().manual_seed(_SEED)
    feeds = [[item.draw(lengths, generator) for item in plan.inputs] for lengths in (plan.traced, plan.checked)]
    on_step(1, 4)
    expected = run_reference(plan, config, weights, feeds)
    on_step(2, 4)
    checks = []
    # Little memory and one run are wanted here; speed is not.
    options = EngineOptions(low_memory=True)
    allowed = sys.float_info.max if tolerance is None else tolerance
    with engine.load(graph, device=device, options=options) as session:
        for step, (inputs, outputs) in enumerate(zip(feeds, expected, strict=True)):
            named = {item.name: tensor.numpy() for item, tensor in zip(plan.inputs, inputs, strict=True)}
            cast = {name: array.astype(session.inputs[name].dtype, copy=False) for name, array in named.items()}
            # What a graph takes that its module does not is what others add to it: nothing.
            cast |= {
                name: np.zeros([1] * len(spec.shape), spec.dtype)
                for name, spec in session.inputs.items()
                if name not in cast
            }
            error = relative_error(plan, session.run(cast), outputs)
            shapes = {name: tuple(array.shape) for name, array in named.items()}
            if not error <= allowed:  # so that NaN fails too
                text = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
                raise ToleranceError(plan.role, error=error, tolerance=allowed, shapes=text)
            checks.append(Check(shapes, error))
            on_step(3 + step, 4)
        return tuple(checks), tuple(session.inputs.values()), tuple(session.outputs.values())


def relative_error(plan: ComponentPlan, got: Mapping[str, Array], expected: Outputs) -> float:
    """The largest over all outputs of max |got - expected| / max |expected|; infinite where shapes differ."""
    errors = [0.0]
    for name, reference in zip(plan.outputs, expected, strict=True):
        if got[name].shape != tuple(reference.shape):
            return float("inf")
        array = reference.numpy()
        errors.append(float(np.abs(got[name] - array).max() / max(np.abs(array).max(), np.finfo(np.float32).tiny)))
    return float(np.max(errors))  # NaN wins
