"""An engine in ncnn's place, for graphs of the converter's stand-in: their weights are the traced module."""

from __future__ import annotations

import warnings

import torch

from edgediff_runtimes.engines import Device, FakeEngine

# Writes a graph that has the inputs and outputs of its command line and one operator; the module is its weights.
CONVERTER = """
import shutil, sys
told = dict(word.split("=", 1) for word in sys.argv[2:])
count = told["inputshape"].count("[")
lines = ["7767517", "2 2"]
lines += [f"Input in{n} 0 1 in{n}" for n in range(count)]
lines += [f"Everything all {count} 1 " + " ".join(f"in{n}" for n in range(count)) + " out0 0=1"]
open(told["ncnnparam"], "w").write("\\n".join(lines))
shutil.copy(sys.argv[1], told["ncnnbin"])
open("told", "w").write(repr(told))
"""


def module_of(path):
    """The traced module that is the weights of a ``.param`` file."""
    own = path.with_suffix(".bin")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is what the converter reads
        return torch.jit.load(own if own.exists() else path.with_name("model.ncnn.bin"))


class ScriptedEngine:
    name = "ncnn"
    version = "1"

    def devices(self):
        return (Device("cpu", "the processor", ("f32",)),)

    def execution(self, _graph, **_where):
        return "f32"

    def load(self, graph, *, device, options):
        module = module_of(graph.path)
        _, _, *inputs, layer = [line.split() for line in graph.path.read_text(encoding="utf-8").splitlines()]
        names, output = [name for _, name, *_ in inputs], layer[-2]
        assert all(spec.shape[0] == 1 for spec in graph.inputs), "one row, of fixed shape"

        def run(_role, feeds):
            assert {name: array.shape for name, array in feeds.items()} == {
                spec.name: spec.shape for spec in graph.inputs
            }
            with torch.no_grad():
                (computed,) = module(*(torch.from_numpy(feeds[name]) for name in names))
            return {output: computed.numpy()}

        return FakeEngine(run).load(graph, device=device, options=options)
