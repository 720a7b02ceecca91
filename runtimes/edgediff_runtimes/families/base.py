"""What a family is on the runtime's side: data from configs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.recipe import Recipe


@final
@dataclass(frozen=True, slots=True)
class Family:
    """A model family.

    Attributes:
        name: Its name in a manifest.
        pipelines: The ``_class_name`` values of ``model_index.json`` that it covers.
        recipe: What is done with its graphs, from a model's configs.
        defaults: What a run uses where the caller says nothing.
        doubts: Why the configs do not tell the steps and guidance among the defaults; None where they do.
        small_decoder: Whether a model may have an ``AutoencoderTiny`` beside its own autoencoder.
        scheduler: The scheduler's config as the pipeline has it, which may make another one of what was saved with it.
    """

    name: str
    pipelines: tuple[str, ...]
    recipe: Callable[[Configs], Recipe]
    defaults: Callable[[Configs], Defaults]
    doubts: Callable[[Configs], str | None] = field(default=lambda _: None)
    small_decoder: bool = False
    scheduler: Callable[[Configs], dict[str, Any]] = field(default=lambda configs: dict(configs.scheduler))
