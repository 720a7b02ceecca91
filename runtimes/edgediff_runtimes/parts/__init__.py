"""What the parts of a recipe do: one function for each declaration, found by its type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgediff_runtimes.parts import (
    arrays,
    control,
    graph,
    noisy,
    options,
    patches,
    pictures,
    positions,
    times,
    tokens,
    vision,
)
from edgediff_runtimes.parts.fitting import fitting
from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe import declarations as declared
from edgediff_runtimes.recipe.part import Part

__all__ = ["WORK", "Context", "Value", "run_part"]

# Arguments are the declaration and the context; the values written come back by name.
WORK: dict[type[Part], Callable[[Any, Context], dict[str, Value]]] = {
    declared.Tokens: tokens.tokens,
    declared.Graph: graph.compute,
    declared.Sizes: options.sizes,
    declared.Choice: options.choice,
    declared.Sinusoid: options.sinusoid,
    declared.TimeSinusoid: times.time_sinusoid,
    declared.GridIds: positions.grid_ids,
    declared.TextIds: positions.text_ids,
    declared.PictureTextIds: vision.picture_text_ids,
    declared.Picture: pictures.picture,
    declared.Mask: pictures.mask,
    declared.Pictures: pictures.pictures,
    declared.Control: control.control,
    declared.ControlScale: control.control_scale,
    declared.PromptPictures: control.prompt_pictures,
    declared.WindowPatches: vision.window_patches,
    declared.Branches: control.branches,
    declared.Noise: arrays.noise,
    declared.Noisy: noisy.noisy,
    declared.Noised: pictures.noised,
    declared.Gaussian: arrays.gaussian,
    declared.Join: arrays.join,
    declared.Sum: arrays.total,
    declared.Affine: arrays.affine,
    declared.Pad: arrays.pad,
    declared.Pick: arrays.pick,
    declared.Cut: arrays.cut,
    declared.Repeat: arrays.repeat,
    declared.Patches: patches.patches,
    declared.Unpatches: patches.unpatches,
}


def run_part(part: Part, context: Context) -> None:
    """Do the work of a part: its values go into the context.

    Raises:
        RecipeError: What the part is given does not suit it.
        EdgediffError: A graph fails, an option cannot be applied, or the run was cancelled.
    """
    work = WORK[type(part)]
    if isinstance(part, declared.Graph):
        context.values.update(work(part, context))
        return
    with fitting(context.stage, type(part).__name__.lower()):
        context.values.update(work(part, context))
