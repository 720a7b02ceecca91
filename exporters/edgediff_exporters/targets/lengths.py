"""How long the named axes of every component are for a size: as in the calls that the bundle makes when it draws one.

That holds for any family, and nothing of it has to be declared a second time. The rows are one: what has more makes as
many calls.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgediff_exporters.targets.base import Axes
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines.tapping import TappingEngine
from edgediff_runtimes.errors import ExportError
from edgediff_runtimes.fixed_graphs import ROWS
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality import Runner, Subjects, call_of
from edgediff_runtimes.quality.pictures import with_pictures
from edgediff_runtimes.settings import Options
from edgediff_runtimes.tensors import Array, TensorSpec
from edgediff_runtimes.text import PromptTruncationWarning

_STEPS = 2  # enough that a second stage, such as a refiner, has one


def lengths_by_suffix(bundle: Bundle, sizes: Sequence[tuple[int, int]]) -> dict[str, dict[str, Axes]]:
    """The lengths of each component's axes, by what is behind a graph's usual name: one graph for each set of them.

    Args:
        bundle: One whose graphs take any size.
        sizes: Width and height in pixels.

    Raises:
        EdgediffError: The bundle does not draw one of them.
    """
    found: dict[str, dict[str, Axes]] = {role: {} for role in bundle.manifest.components}
    for width, height in sizes:
        for role, axes in _lengths_of(bundle, width=width, height=height).items():
            if axes not in found[role].values():
                found[role][f"_{width}x{height}"] = axes
    # What is the same for all sizes, such as a text encoder, keeps its usual name.
    return {
        role: dict(zip([*lengths] if len(lengths) > 1 else [""], lengths.values(), strict=True))
        for role, lengths in found.items()
    }


def _lengths_of(bundle: Bundle, *, width: int, height: int) -> dict[str, Axes]:
    manifest, seen = bundle.manifest, {}

    def see(role: str, feeds: Mapping[str, Array], _outputs: Mapping[str, Array]) -> None:
        specs = manifest.components[role].inputs
        seen[role] = _axes(specs, {name: array.shape for name, array in feeds.items()})

    plain = Runner(bundle, Placement(low_memory=True, keep_compiled=False))
    engine = TappingEngine(plain.engine_of(manifest.recipe.network.role), see)
    prompt, options = call_of(manifest.recipe, Subjects.of(manifest.recipe).evaluation[0])
    asked: Options = {**options, "seed": 0, "steps": _STEPS, "width": width, "height": height}
    call = with_pictures(manifest.recipe, manifest.defaults, asked)
    tapped = replace(plain, placement=replace(plain.placement, engine=engine))
    with tapped.pipeline() as pipeline, warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptTruncationWarning)
        pipeline(prompt, **call)
        if "decoder" in manifest.recipe.options:
            tiny: Options = {**call, "decoder": "tiny"}
            pipeline(prompt, **tiny)
    for role, name in manifest.recipe.encoders.items():
        if role not in seen:
            seen[role] = _axes(manifest.components[role].inputs, {name: (1, 3, height, width)})
    if missing := sorted(manifest.components.keys() - seen.keys()):
        raise ExportError(f"`{missing[0]}` takes no part when the model draws: its fixed shapes cannot be told")
    return seen


def _axes(specs: Sequence[TensorSpec], shapes: Mapping[str, tuple[int, ...]]) -> Axes:
    lengths = {
        axis: length
        for spec in specs
        for axis, length in zip(spec.shape, shapes[spec.name], strict=True)
        if isinstance(axis, str)
    }
    return {**lengths, ROWS: 1} if ROWS in lengths else lengths
