"""The parts that a recipe is made of. What each does is in ``parts/``.

A part reads *values* (arrays that earlier parts wrote) and *options* (what a caller may ask for), and writes values.
Names are chosen by the recipe. In the parts of a network, ``x`` is the sample at this step, scaled as the sampler
scales it, ``t`` the time step as one entry and ``t_rows`` the same once per row; what they write as ``prediction`` is
the answer that the sampler is given. In the parts of a result, ``x`` is the final sample.
"""

from __future__ import annotations

from edgediff_runtimes.recipe.declarations.arrays import (
    Affine,
    Cut,
    Gaussian,
    Join,
    Noise,
    Pad,
    Patches,
    Pick,
    Repeat,
    Sum,
    Unpatches,
)
from edgediff_runtimes.recipe.declarations.asked import Choice, Sinusoid, Sizes, Tokens
from edgediff_runtimes.recipe.declarations.control import Branches, Control, ControlScale, PromptPictures
from edgediff_runtimes.recipe.declarations.graphs import Graph
from edgediff_runtimes.recipe.declarations.noisy import Noisy
from edgediff_runtimes.recipe.declarations.pictures import Mask, Noised, Picture, Pictures
from edgediff_runtimes.recipe.declarations.positions import GridIds, TextIds
from edgediff_runtimes.recipe.declarations.times import TimeSinusoid
from edgediff_runtimes.recipe.declarations.vision import PictureTextIds, WindowPatches
from edgediff_runtimes.recipe.part import Part

__all__ = [
    "KINDS",
    "Affine",
    "Branches",
    "Choice",
    "Control",
    "ControlScale",
    "Cut",
    "Gaussian",
    "Graph",
    "GridIds",
    "Join",
    "Mask",
    "Noise",
    "Noised",
    "Noisy",
    "Pad",
    "Patches",
    "Pick",
    "Picture",
    "PictureTextIds",
    "Pictures",
    "PromptPictures",
    "Repeat",
    "Sinusoid",
    "Sizes",
    "Sum",
    "TextIds",
    "TimeSinusoid",
    "Tokens",
    "Unpatches",
    "WindowPatches",
]

# By their names in a manifest. A reader that lacks one refuses the bundle and says which.
KINDS: dict[str, type[Part]] = {
    "tokens": Tokens,
    "graph": Graph,
    "sizes": Sizes,
    "choice": Choice,
    "sinusoid": Sinusoid,
    "time_sinusoid": TimeSinusoid,
    "grid_ids": GridIds,
    "text_ids": TextIds,
    "picture_text_ids": PictureTextIds,
    "picture": Picture,
    "mask": Mask,
    "control": Control,
    "control_scale": ControlScale,
    "prompt_pictures": PromptPictures,
    "window_patches": WindowPatches,
    "branches": Branches,
    "noise": Noise,
    "noised": Noised,
    "noisy": Noisy,
    "gaussian": Gaussian,
    "join": Join,
    "sum": Sum,
    "affine": Affine,
    "pad": Pad,
    "cut": Cut,
    "repeat": Repeat,
    "pick": Pick,
    "patches": Patches,
    "unpatches": Unpatches,
    "pictures": Pictures,
}
