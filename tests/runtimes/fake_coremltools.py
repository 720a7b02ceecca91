"""As much of coremltools as the engine `coreml` asks of it: a package that doubles what it is given."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import numpy as np


class ComputeUnit(Enum):
    ALL = 1
    CPU_AND_GPU = 2
    CPU_ONLY = 3
    CPU_AND_NE = 4


class Library(SimpleNamespace):
    """The module. ``predict`` computes; ``fails`` is what loading raises; ``loaded`` are (path, units)."""

    def __init__(self, predict=None, fails=None):
        super().__init__(__version__="9.0", ComputeUnit=ComputeUnit, loaded=[], told=[], fails=fails)
        self.predict = predict or (lambda told: {"y_1": 2 * told["x"] + told["ids"].sum()})
        self.models = SimpleNamespace(MLModel=lambda path, compute_units: Model(self, path, compute_units))


class Model:
    def __init__(self, library, path, compute_units):
        assert Path(path).suffix == ".mlpackage"
        if library.fails is not None:
            raise library.fails
        self.library = library
        library.loaded.append((Path(path).name, compute_units.name))

    def predict(self, told):
        for name, array in told.items():
            assert name.isidentifier()
            assert array.dtype in (np.float32, np.int32)
            assert array.flags.c_contiguous
        self.library.told.append(told)
        return self.library.predict(told)
