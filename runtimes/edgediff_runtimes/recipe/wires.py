"""Whether a recipe can run with the graphs and tokenizers of a bundle: checked when the bundle is opened."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.recipe.declarations import Affine, Graph, Pictures, Tokens
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Recipe, Stage
from edgediff_runtimes.untrusted.bounds import SCALES, scales

_NETWORK_READS = ("x", "t", "t_rows")
_RESULTS = (Pictures,)

# Names of what a component's graph takes and of what it gives; empty where the bundle does not say.
Faces = Mapping[str, tuple[Collection[str], Collection[str]]]


def check_wires(recipe: Recipe, faces: Faces, tokenizers: Collection[str]) -> None:
    """Check that every name that is read has a writer, and every input of a graph is fed.

    Args:
        recipe: The recipe.
        faces: The bundle's components: names of inputs and outputs, each empty where they are not known.
        tokenizers: Directories of the bundle's tokenizers.

    Raises:
        RecipeError: A wire is broken; the sentence names the stage, the part and the name.
    """
    for index, stage in enumerate(recipe.stages):
        if not stage.tasks:
            raise RecipeError(stage.name, "tasks", "has none", "at least one task")
        if lost := [task for task in recipe.tasks if task not in stage.tasks]:
            raise RecipeError(stage.name, "tasks", f"has no `{lost[0]}`", "the tasks of the first stage")
        _check_names(stage, earlier=frozenset(f"stage:{other.name}" for other in recipe.stages[:index]))
        for phase, parts in stage.phases.items():
            for part in parts:
                _check_part(stage, phase, part, faces, tokenizers)


def _check_names(stage: Stage, *, earlier: frozenset[str]) -> None:
    given = _follow(stage, "given", stage.given, earlier)
    for task, parts in stage.tasks.items():
        written = _follow(stage, task, parts, given)
        if not written & {"noise", "sample"}:
            raise RecipeError(stage.name, task, "writes no `noise`", "a part that draws it")
        network = _follow(stage, "network", stage.network, written | {*_NETWORK_READS})
        if "prediction" not in network:
            raise RecipeError(stage.name, "network", "writes no `prediction`", "it from one of its parts")
    _follow(stage, "result", stage.result, given | {"x"})
    if not stage.result or not isinstance(stage.result[-1], _RESULTS):
        kinds = ", ".join(kind.__name__.lower() for kind in _RESULTS)
        raise RecipeError(stage.name, "result", "ends in nothing that a caller can take", f"one of {kinds}")
    if lost := [name for name in (stage.guidance.zeros if stage.guidance else ()) if name not in given]:
        raise RecipeError(stage.name, "guidance", f"names `{lost[0]}`, which nothing writes", "a given value")


def _follow(stage: Stage, phase: str, parts: tuple[Part, ...], known: frozenset[str]) -> frozenset[str]:
    """The names that are known after these parts."""
    for part in parts:
        for name in part.reads:
            if name not in known:
                raise RecipeError(stage.name, phase, f"reads `{name}`, which nothing writes before", "a writer")
        known = known | {*part.writes}
    return known


def _check_part(stage: Stage, phase: str, part: Part, faces: Faces, tokenizers: Collection[str]) -> None:
    if isinstance(part, Tokens) and part.tokenizer not in tokenizers:
        raise RecipeError(stage.name, phase, f"reads the tokenizer `{part.tokenizer}`", "it in the bundle")
    if isinstance(part, Affine):
        for number in part.over if isinstance(part.over, tuple) else (part.over,):
            if not scales(number):
                raise RecipeError(stage.name, phase, f"divides `{part.name}` by {number:g}", SCALES)
    if not isinstance(part, Graph):
        return
    if part.role not in faces:
        raise RecipeError(stage.name, phase, f"computes `{part.role}`", "that component in the bundle")
    takes, gives = faces[part.role]
    if takes and (wrong := sorted(set(takes) ^ part.feeds.keys())):
        what = "is not fed" if wrong[0] in takes else "is no input of it"
        raise RecipeError(stage.name, phase, f"computes `{part.role}`: `{wrong[0]}` {what}", ", ".join(sorted(takes)))
    if gives and (wrong := sorted(part.takes.keys() - set(gives))):
        raise RecipeError(
            stage.name, phase, f"takes `{wrong[0]}` of `{part.role}`", f"one of {', '.join(sorted(gives))}"
        )
