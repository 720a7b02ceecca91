"""Whether a recipe can run with the graphs and tokenizers of a bundle: checked when the bundle is opened."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.recipe.declarations import (
    Affine,
    Choice,
    Control,
    ControlScale,
    Cut,
    Graph,
    Mask,
    Noised,
    Noisy,
    Picture,
    Pictures,
    Sinusoid,
    Sizes,
    Sum,
    TimeSinusoid,
    Tokens,
    WindowPatches,
)
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import RGB_CHANNELS, Recipe, Stage
from edgediff_runtimes.untrusted.bounds import LOOKED_AT, MARK, SCALES, SIDE, scales

_NETWORK_READS = ("x", "t", "t_rows")
_RESULTS = (Pictures,)
_PHASES = ("given", "network", "result", "tiny")  # the names of those that are no task
# Options that a caller can give and a recipe may read: numbers, and labels.
NUMBERS = (
    *("guidance", "true_guidance", "width", "height", "original_width", "original_height", "crop_left", "crop_top"),
    *("target_width", "target_height", "aesthetic_score", "negative_aesthetic_score", "refiner_start"),
    "image_guidance",
    "noise_level",
)
LABELS = ("class_label",)
SEVERAL = ("image", "image_2", "image_3", "image_4")  # what tasks call the pictures of the option `image`
PICTURES = (*SEVERAL, "denoise", "mask")
_LARGEST = 3.4e38  # of float32
_LEAST_DIM = 4  # of a `Sinusoid`: its frequencies are spread from the first to the last, so there are two
_PAIR = 2  # a sine and a cosine

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
        earlier = recipe.stages[:index]
        if stage.name in [other.name for other in earlier]:
            raise RecipeError(stage.name, "name", "stands there twice", "a name of its own")
        _check_tasks(stage, recipe)
        if bool(stage.tiny) != bool(recipe.first.tiny):
            raise RecipeError(stage.name, "tiny", "is in some stages", "it in all or in none")
        _check_sizes(stage, recipe.first)
        _check_names(stage, earlier=frozenset(f"stage:{other.name}" for other in earlier))
        _check_options(stage)
        for phase, parts in stage.phases.items():
            for part in parts:
                _check_part(stage, phase, part, faces, tokenizers)
        _check_controls(stage, first=index == 0)
        _check_looking(stage)
    if all(stage.schedule.since is not None for stage in recipe.stages):
        raise RecipeError(recipe.first.name, "schedule", "may be left out", "a stage without `since`")


def _check_tasks(stage: Stage, recipe: Recipe) -> None:
    if not stage.tasks:
        raise RecipeError(stage.name, "tasks", "has none", "at least one task")
    if wrong := [task for task in stage.tasks if task in _PHASES]:
        raise RecipeError(stage.name, "tasks", f"has one called `{wrong[0]}`", f"names other than {', '.join(_PHASES)}")
    if lost := [task for task in recipe.tasks if task not in stage.tasks]:
        raise RecipeError(stage.name, "tasks", f"has no `{lost[0]}`", "the tasks of the first stage")


def _check_sizes(stage: Stage, first: Stage) -> None:
    """What suits the first stage, which a caller's sizes are held against, must suit the others."""
    steps = [one.space.multiple or one.space.factor for one in (first, stage)]
    if steps[0] % steps[1]:
        raise RecipeError(stage.name, "space", f"has sizes in multiples of {steps[1]}", f"a divisor of {steps[0]}")
    if stage.space.largest is not None and (first.space.largest or stage.space.largest + 1) > stage.space.largest:
        raise RecipeError(stage.name, "space", f"has sizes up to {stage.space.largest}", "those of the first stage")


def _check_names(stage: Stage, *, earlier: frozenset[str]) -> None:
    given = _follow(stage, "given", stage.given, earlier)
    for task, parts in stage.tasks.items():
        written = _follow(stage, task, parts, given)
        _check_beginning(stage, task, written)
        network = _follow(stage, "network", stage.network, written | {*_NETWORK_READS})
        if stage.guidance is not None and (lost := sorted({*stage.guidance.pictures} - written)):
            raise RecipeError(stage.name, "guidance", f"names `{lost[0]}`, which `{task}` does not write", "its value")
        if "prediction" not in network:
            raise RecipeError(stage.name, "network", "writes no `prediction`", "it from one of its parts")
    if not any(isinstance(part, Graph) for part in stage.network):
        raise RecipeError(stage.name, "network", "computes no graph", "at least one")
    for phase, parts in stage.results.items():
        _follow(stage, phase, parts, given | {"x"})
    kinds = ", ".join(kind.__name__.lower() for kind in _RESULTS)
    ends = {phase: [part for part in parts if isinstance(part, _RESULTS)] for phase, parts in stage.phases.items()}
    for phase, found in ends.items():
        if len(found) != (phase in stage.results) or found != [*stage.results.get(phase, ())[-1:]]:
            where = phase if phase in stage.results else "result"
            raise RecipeError(
                stage.name, where, "ends in nothing that a caller can take", f"one of {kinds}, and only there"
            )
    if lost := [name for name in (stage.guidance.zeros if stage.guidance else ()) if name not in given]:
        raise RecipeError(stage.name, "guidance", f"names `{lost[0]}`, which nothing writes", "a given value")


def _check_beginning(stage: Stage, task: str, written: frozenset[str]) -> None:
    if not written & {"noise", "noisy", "sample"}:
        raise RecipeError(stage.name, task, "writes no `noise`", "a part that draws it")
    if "known" in written and not written >= {"noise", "unknown"}:
        raise RecipeError(stage.name, task, "writes `known` alone", "`noise` and `unknown` beside it")


def _check_controls(stage: Stage, *, first: bool) -> None:
    """Pictures that steer are those of the first stage, counted from 0; a weight is of one of them, or of a value."""
    indices = [part.index for parts in stage.phases.values() for part in parts if isinstance(part, Control)]
    given = sum(isinstance(part, Control) for part in stage.given)
    if sorted(indices) != [*range(given)] or (indices and not first):
        raise RecipeError(
            stage.name, "given", f"has control pictures {indices}", "them in `given` of the first stage, from 0"
        )
    for phase, parts in stage.phases.items():
        for part in parts:
            if isinstance(part, Sum) and (not part.names or len(part.weights) not in (0, len(part.names))):
                raise RecipeError(
                    stage.name, phase, f"sums with {len(part.weights)} weights", f"{len(part.names)}, or none"
                )
            if isinstance(part, ControlScale) and (phase != "network" or part.index not in indices):
                raise RecipeError(
                    stage.name, phase, f"weighs control picture {part.index}", "it in `network`, of one given"
                )


def _follow(stage: Stage, phase: str, parts: tuple[Part, ...], known: frozenset[str]) -> frozenset[str]:
    """The names that are known after these parts."""
    for part in parts:
        for name in part.reads:
            if name not in known:
                raise RecipeError(stage.name, phase, f"reads `{name}`, which nothing writes before", "a writer")
        known = known | {*part.writes}
    return known


def _check_options(stage: Stage) -> None:
    """Refuse what no caller can give: such a part could never be told its number."""
    read: list[tuple[str, str, tuple[str, ...]]] = [("schedule", name, NUMBERS) for name in stage.schedule.options]
    if stage.guidance is not None:
        read += [("guidance", name, NUMBERS) for name in stage.guidance.options]
    for phase, parts in stage.phases.items():
        for part in parts:
            if isinstance(part, Picture | Mask):
                read.append((phase, part.choice, PICTURES if phase in stage.tasks else ()))
                continue
            if isinstance(part, Choice) and part.below is not None:
                read.append((phase, part.choice, LABELS))
                continue
            others = part.defaults.values() if isinstance(part, Sizes) else ()
            fallbacks = [name for name in others if isinstance(name, str)]
            read += [(phase, name, NUMBERS) for name in (*part.chosen, *fallbacks)]
    for phase, name, known in read:
        if name not in known:
            raise RecipeError(stage.name, phase, f"reads the option `{name}`", f"one of {', '.join(known) or 'none'}")


def _check_choice(stage: Stage, phase: str, part: Choice) -> None:
    """Refuse labels that there are not, which a graph would look up, and numbers beyond float32."""
    for number in (part.default, part.null, *part.names.values()):
        if number is None:
            continue
        if part.below is None:
            fits, expected = abs(number * part.scale) <= _LARGEST, "a number that float32 holds"
        else:
            # The unguided branch's label is often the one behind the last class.
            fits = number in range(part.below + (number is part.null))
            expected = f"a whole number from 0 and below {part.below}"
        if not fits:
            raise RecipeError(stage.name, phase, f"has {number:g} for `{part.choice}`", expected)


def _check_noised(stage: Stage, phase: str, part: Noised) -> None:
    if not all(0 <= share <= 1 for share in part.signal):
        raise RecipeError(stage.name, phase, f"has shares of signal in `{part.to}` beyond 0 and 1", "none")
    if part.default not in range(len(part.signal)):
        expected = f"a whole number from 0 and below {len(part.signal)}, the levels that it has shares for"
        raise RecipeError(stage.name, phase, f"has {part.default} for `{part.choice}`", expected)


def _check_looking(stage: Stage) -> None:
    """Whether pictures that a text encoder looks at are there, and have tokens among its texts."""
    for phase, parts in stage.phases.items():
        for part in parts:
            if isinstance(part, WindowPatches):
                _check_windows(stage, phase, part)
            if isinstance(part, Tokens) and part.grids is not None:
                mark = part.picture_mark
                if not mark or mark not in part.picture:
                    what = "has nothing for a picture's tokens"
                    raise RecipeError(stage.name, phase, what, "`picture_mark` in `picture`")
                if len(mark) > MARK.most:
                    expected = f"at most {MARK.most} characters, because {MARK.reason}"
                    raise RecipeError(stage.name, phase, f"has a `picture_mark` of {len(mark):,}", expected)


def _check_windows(stage: Stage, phase: str, part: WindowPatches) -> None:
    taken = [{one.choice for one in parts if isinstance(one, Picture)} for parts in stage.tasks.values()]
    if phase != "given" or not all(choices & {*SEVERAL} for choices in taken):
        raise RecipeError(stage.name, phase, "looks at the caller's pictures", "it in `given`, and one in every task")
    if (side := part.patch * part.merge * part.window) > SIDE.most:
        raise RecipeError(stage.name, phase, f"has windows of {side:,} pixels a side", f"at most {SIDE.most:,}")
    if part.least > part.most:
        raise RecipeError(stage.name, phase, f"has pictures of {part.least:,} pixels at least", f"up to {part.most:,}")
    if (tokens := part.most // (part.patch * part.merge) ** 2) > LOOKED_AT.most:
        raise RecipeError(stage.name, phase, f"has pictures of {tokens:,} tokens", LOOKED_AT.expected)
    if len(part.mean) != RGB_CHANNELS or len(part.std) != RGB_CHANNELS or not all(map(scales, part.std)):
        expected = f"{RGB_CHANNELS} numbers each, none of `std` near to 0"
        raise RecipeError(stage.name, phase, f"has other colours in `{part.to}` than three", expected)


def _check_sines(stage: Stage, phase: str, part: Part) -> None:
    """Refuse frequencies that are no numbers, or so low that no number can be told from its row."""
    if isinstance(part, Sinusoid) and part.dim < _LEAST_DIM:
        raise RecipeError(stage.name, phase, f"makes `{part.to}` with a `dim` of {part.dim}", f"at least {_LEAST_DIM}")
    if not isinstance(part, TimeSinusoid):
        return
    if part.shift > 1 or part.shift >= part.dim // 2:
        got = f"makes `{part.to}` with a `dim` of {part.dim} and a `shift` of {part.shift:g}"
        raise RecipeError(stage.name, phase, got, "a `shift` of at most 1 and below half of `dim`")
    if part.dim < _PAIR or not scales(part.scale):
        got = f"makes `{part.to}` with a `dim` of {part.dim} and a `scale` of {part.scale:g}"
        expected = "a `dim` of at least 2, and a `scale` from 1e-6 to 1e6 or the negative of one"
        raise RecipeError(stage.name, phase, got, expected)


def _check_part(stage: Stage, phase: str, part: Part, faces: Faces, tokenizers: Collection[str]) -> None:
    if isinstance(part, Tokens) and part.tokenizer not in tokenizers:
        raise RecipeError(stage.name, phase, f"reads the tokenizer `{part.tokenizer}`", "it in the bundle")
    if isinstance(part, Choice):
        _check_choice(stage, phase, part)
    if isinstance(part, Cut) and (part.entries is None) == (part.like is None):
        raise RecipeError(stage.name, phase, f"cuts `{part.name}`", "either `entries` or `like`")
    if isinstance(part, Noisy) and not (part.span > 0 and scales(part.span)):
        raise RecipeError(stage.name, phase, f"has black and white {part.span:g} apart", "a distance above 0")
    if isinstance(part, Noised):
        _check_noised(stage, phase, part)
    _check_sines(stage, phase, part)
    if isinstance(part, Affine):
        for number in part.over if isinstance(part.over, tuple) else (part.over,):
            if not scales(number):
                raise RecipeError(stage.name, phase, f"divides `{part.name}` by {number:g}", SCALES)
    if isinstance(part, Graph):
        _check_graph(stage, phase, part, faces)


def _check_graph(stage: Stage, phase: str, part: Graph, faces: Faces) -> None:
    if part.tiled and len(part.feeds) != 1:
        raise RecipeError(stage.name, phase, f"computes `{part.role}` in tiles", "one value that it is fed")
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
