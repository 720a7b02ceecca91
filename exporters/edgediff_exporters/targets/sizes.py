"""The sizes that a model's graphs are made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgediff_exporters.growing.beside import places_beside
from edgediff_exporters.opening import OpenedModel
from edgediff_exporters.targets.request import Wanted, check_trial_size
from edgediff_exporters.trials import TrialOptions
from edgediff_runtimes.bundle import Defaults
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.settings import checks


def drawn_at(
    graphs: Wanted, opened: OpenedModel, defaults: Mapping[str, float], trials: TrialOptions, *, grown: bool
) -> tuple[Defaults, Wanted]:
    """What a bundle recommends, and the sizes of its graphs.

    Args:
        graphs: What is wanted.
        opened: The model.
        defaults: What the bundle shall recommend.
        trials: What is drawn to measure it.
        grown: Whether a component is added to it afterwards.

    Raises:
        SettingError: The model does not draw a size, or the bundle grows, which is for graphs that take any size.
    """
    recommended = opened.recommended(defaults)
    if graphs.target is None:
        return recommended, graphs
    if grown or places_beside(opened.source):
        expected = "nothing for a model that has a ControlNet, a T2I-Adapter or an IP-Adapter beside it"
        raise SettingError("target", got=graphs.target.name, expected=expected)
    space, asked = opened.recipe.first.space, graphs.sizes or [(None, None)]
    try:
        sizes = tuple(
            checks.size(space, recommended, {"width": width, "height": height}, None) for width, height in asked
        )
    except SettingError as error:
        expected = f"sizes that the model draws ({error.sentence})"
        got = ", ".join(f"{width}x{height}" for width, height in graphs.sizes)
        raise SettingError("sizes", got=got, expected=expected, hint=error.hint) from error
    check_trial_size(trials, sizes)
    if recommended.width is not None:
        recommended = replace(recommended, width=sizes[0][0], height=sizes[0][1])
    return recommended, replace(graphs, sizes=sizes)
