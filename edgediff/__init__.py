"""edgediff: diffusion models on people's own devices.

>>> import edgediff
>>> with edgediff.load("emoji-lcm") as pipeline:
...     pipeline("a red apple", seed=0).save("apple.png")

Names are imported when they are first used, so ``import edgediff`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgediff.api import add, export, load, shipped_models, verify
    from edgediff.browser.folder import WebFolder, web
    from edgediff.grids import Grid, GridStep, grid
    from edgediff.planning.plan import Plan
    from edgediff.planning.planner import plan
    from edgediff.tuning import tune
    from edgediff_runtimes.bundle import Bundle
    from edgediff_runtimes.cancellation import CancelToken
    from edgediff_runtimes.engines import EngineOptions, FakeEngine
    from edgediff_runtimes.errors import Cancelled, EdgediffError
    from edgediff_runtimes.pipeline import Pipeline
    from edgediff_runtimes.placement import Placement
    from edgediff_runtimes.results import Result, Step
    from edgediff_runtimes.running.run import Run

__version__ = "0.1.0"

__all__ = [
    "Bundle",
    "CancelToken",
    "Cancelled",
    "EdgediffError",
    "EngineOptions",
    "FakeEngine",
    "Grid",
    "GridStep",
    "Pipeline",
    "Placement",
    "Plan",
    "Result",
    "Run",
    "Step",
    "WebFolder",
    "__version__",
    "add",
    "export",
    "grid",
    "load",
    "plan",
    "shipped_models",
    "tune",
    "verify",
    "web",
]

_HOMES = {
    "Bundle": "edgediff_runtimes.bundle",
    "CancelToken": "edgediff_runtimes.cancellation",
    "Cancelled": "edgediff_runtimes.errors",
    "EdgediffError": "edgediff_runtimes.errors",
    "EngineOptions": "edgediff_runtimes.engines",
    "FakeEngine": "edgediff_runtimes.engines",
    "Grid": "edgediff.grids",
    "GridStep": "edgediff.grids",
    "Pipeline": "edgediff_runtimes.pipeline",
    "Placement": "edgediff_runtimes.placement",
    "Plan": "edgediff.planning.plan",
    "Result": "edgediff_runtimes.results",
    "Run": "edgediff_runtimes.running.run",
    "Step": "edgediff_runtimes.results",
    "WebFolder": "edgediff.browser.folder",
    "add": "edgediff.api",
    "export": "edgediff.api",
    "grid": "edgediff.grids",
    "load": "edgediff.api",
    "plan": "edgediff.planning.planner",
    "shipped_models": "edgediff.api",
    "tune": "edgediff.tuning",
    "verify": "edgediff.api",
    "web": "edgediff.browser.folder",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's names are of any type
    if name not in _HOMES:
        raise AttributeError(f"module `edgediff` has no attribute `{name}`")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
