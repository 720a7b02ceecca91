"""A context for parts alone: settings, sources of noise, and graphs that are functions."""

from __future__ import annotations

import pytest

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.components import Loaded
from edgediff_runtimes.engines import EngineOptions, FakeEngine, Graph
from edgediff_runtimes.noise import noise_source, per_image
from edgediff_runtimes.parts import Context, Value
from edgediff_runtimes.recipe import Space
from edgediff_runtimes.settings import Settings


@pytest.fixture
def context(tmp_path):
    """Builds a context; ``graphs`` are functions of the feeds by role, ``specs`` what they take."""

    def build(*, space=None, values=None, graphs=None, specs=None, tokenizers=None, pictures=None, **fields):
        settings = Settings(
            **{
                "prompts": ("a",),
                "negative_prompts": (),
                "images_per_prompt": 1,
                "seed": 3,
                "noise": "torch-cpu",
                "steps": 2,
                "guidance": 5.0,
                "guidance_rescale": 0.0,
                "sampler": None,
                "width": 40,
                "height": 48,
                **fields,
            }
        )

        def compute(role):
            graph = Graph(role, tmp_path, "onnx", tuple((specs or {})[role]))
            engine = FakeEngine(lambda _role, feeds: (graphs or {})[role](feeds))
            return Loaded(role, engine.load(graph, device="auto", options=EngineOptions()))

        return Context(
            stage="base",
            settings=settings,
            space=space or Space(4, factor=8),
            pictures=pictures or {},
            tokenizers=tokenizers or {},
            compute=compute,
            rng=per_image([noise_source(seed) for seed in settings.seeds]),
            cancel=CancelToken(),
            values={
                name: value if isinstance(value, Value) else Value(value) for name, value in (values or {}).items()
            },
        )

    return build
