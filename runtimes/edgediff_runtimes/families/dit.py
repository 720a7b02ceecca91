"""DiT: pictures of a class from a transformer over latents.

Peebles and Xie 2023, "Scalable Diffusion Models with Transformers". Order of draws and numbers: those of diffusers'
DiTPipeline, which drops the variance that the transformer predicts beside the noise.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.classes import TASK, class_label
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import picture_result
from edgediff_runtimes.recipe.declarations import Graph, Noise
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Space, Stage
from edgediff_runtimes.untrusted.bounds import LABELS

_SAMPLE_SIZE = 32  # of the smaller published model, for configs that do not say


def recipe(configs: Configs) -> Recipe:
    """A label in place of text; one size, which the transformer's table of positions is made for."""
    classes = configs.of("transformer").integer("num_embeds_ada_norm", minimum=1, bound=LABELS)
    height, width = configs.sample_size("transformer", default=_SAMPLE_SIZE)
    feeds = {"hidden_states": "x", "timestep": "t", "class_labels": "label"}
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=configs.vae_factor(), height=height, width=width),
        # Behind the classes the table of labels has one more row, which stands for none.
        given=(class_label(configs, classes=classes, null=classes),),
        tasks={TASK: (Noise(),)},
        network=(Graph("transformer", feeds, {"out_hidden_states": "prediction"}),),
        result=picture_result(configs),
        guidance=Guidance(),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """The size it was trained at; steps and guidance of diffusers' pipeline."""
    width, height = configs.trained_size("transformer", default=_SAMPLE_SIZE, factor=configs.vae_factor())
    return Defaults(steps=50, guidance=4.0, width=width, height=height)


DIT = Family(name="dit", pipelines=("DiTPipeline",), recipe=recipe, defaults=defaults)
