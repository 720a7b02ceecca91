"""A recipe: the stages of a model, each with its space, schedule, guidance and parts. Data only, no conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, final

from edgediff_runtimes.fields import Fields
from edgediff_runtimes.precisions import Duty
from edgediff_runtimes.recipe.declarations import KINDS, Affine, Choice, Graph, Picture, TimeSinusoid, Tokens
from edgediff_runtimes.recipe.guidance import Guidance
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.records import read_record, write_record
from edgediff_runtimes.recipe.sizes import size_of_area

__all__ = ["ALWAYS", "RGB_CHANNELS", "GraphUse", "Guidance", "Recipe", "Schedule", "Space", "Stage", "token_count"]

RGB_CHANNELS = 3
# What every run takes, whatever its parts read.
ALWAYS = (
    *("seed", "noise", "steps", "sampler", "sampler_options", "reuse", "images", "strict"),
    *("variation_seed", "variation_strength"),
)
_KIND_NAMES = {kind: name for name, kind in KINDS.items()}


@final
@dataclass(frozen=True, slots=True)
class Space:
    """The space that a stage's sampler works in.

    Attributes:
        channels: Channels of a sample.
        factor: Pixels along one side of one of its entries; 1: it works on pixels.
        height: Its height where it is fixed; None: the picture's over ``factor``.
        width: Likewise.
        multiple: Width and height of a picture are multiples of it; None: of ``factor``.
        largest: Width and height of a picture are at most so many pixels; None: as many as memory holds.
        trained: Widths and heights that it was trained at: of a picture to draw from, the one of the nearest shape
            counts; empty: the picture's own.
        area: Such a picture is taken for one of at most so many pixels; None: of as many as it has.
        rounded: It is taken for one of about ``area`` pixels, sides rounded to multiples of this; None: see ``area``.
        upscale: Width and height of a picture are so many times those of the caller's, where it is drawn from one.
        preview: ``channels + 1`` rows of RGB: a sample's entry, and 1, times them is about its colour in [0, 1]. Fitted
            at export; None where it was not.
    """

    channels: int
    factor: int = 1
    height: int | None = None
    width: int | None = None
    multiple: int | None = None
    largest: int | None = None
    trained: tuple[tuple[int, ...], ...] = ()
    area: int | None = None
    rounded: int | None = None
    upscale: int = 1
    preview: tuple[tuple[float, ...], ...] | None = None

    @property
    def sized(self) -> bool:
        """Whether the caller may choose the size."""
        return self.height is None or self.width is None

    def from_picture(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of what is drawn from a picture of so many pixels, where the caller asks for no others.

        As diffusers, it is the picture's own size, ``upscale`` times as large, cut to whole entries.
        """
        if self.trained:  # of two that are as near, the narrower one, as diffusers chooses
            _, width, height = min((abs(width / height - wide / high), wide, high) for wide, high in self.trained)
        elif self.area is not None and self.rounded is not None:
            width, height = size_of_area(width, height, area=self.area, multiple=self.rounded)
        elif self.area is not None and width * height > self.area:
            smaller = math.sqrt(self.area / (width * height))
            width, height = int(width * smaller), int(height * smaller)
        multiple = self.multiple or self.factor
        wide, high = (max(side * self.upscale // multiple, 1) * multiple for side in (width, height))
        return wide, high

    def shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        """``(channels, height, width)`` of a sample for a picture of so many pixels."""
        return (self.channels, self.height or height // self.factor, self.width or width // self.factor)


@final
@dataclass(frozen=True, slots=True)
class Schedule:
    """What a stage adds to the scheduler's config.

    Attributes:
        linear: Give the sampler the noise levels 1, 1 - 1/n ... 1/n, as some flow pipelines do, and do not leave them
            to the scheduler.
        shift: How ``mu`` of dynamic shifting follows from the number of tokens: ``linear`` (between the config's base
            and maximum), ``flux2`` (from steps, too), or None.
        token: Pixels along one side of a token, for ``shift``.
        strength: What image-to-image runs of a distilled model's schedule: ``tail``, the last part of it, or ``whole``,
            all of one made for that strength, as diffusers' latent consistency pipelines do.
        ends: What the result is made of: ``sample``, the final sample, or ``denoised``, the clean sample that the last
            step was drawn towards, of samplers that add noise in their last step too.
        default_strength: The strength where the caller says none.
        inpaint_strength: The same where part of the picture is drawn anew.
        until: The option that says at which share of the training timesteps the stage ends, counted from the noise, so
            that the next one goes on there; None: it runs to the end of its schedule.
        since: Likewise, where it begins; None: at the beginning. At 1 the stage is left out.
        share: What that option is where the caller says nothing.
    """

    linear: bool = False
    shift: Literal["linear", "flux2"] | None = None
    token: int = 16
    strength: Literal["tail", "whole"] = "tail"
    ends: Literal["sample", "denoised"] = "sample"
    default_strength: float = 0.8
    inpaint_strength: float = 1.0
    until: str | None = None
    since: str | None = None
    share: float = 1.0

    @property
    def options(self) -> tuple[str, ...]:
        """Options of a call that it reads."""
        return tuple(name for name in (self.until, self.since) if name is not None)


@final
@dataclass(frozen=True, slots=True)
class GraphUse:
    """A graph in a recipe: what quality, calibration, precision and measurements ask for.

    Attributes:
        role: Its component.
        stage: The stage that uses it.
        phase: ``given``, a task, ``network`` or ``result``.
        feeds: The value of each input.
        takes: The outputs that are wanted, in order.
        time: The input that the time step feeds, or None.
        sinusoid: Made sines and cosines of it, which that input takes; None: it takes the time step itself.
        tiled: Whether larger pictures may be computed in tiles.
    """

    role: str
    stage: str
    phase: str
    feeds: Mapping[str, str]
    takes: tuple[str, ...]
    time: str | None = None
    sinusoid: TimeSinusoid | None = None
    tiled: bool = False


@final
@dataclass(frozen=True, slots=True)
class Stage:
    """One denoising loop and what is around it.

    Attributes:
        name: Its name.
        space: What its sampler works in.
        given: Computed once, before all else; text and other conditions.
        tasks: By task: computed once, in the order of the random draws of diffusers' pipeline; they write ``noise``,
            and ``start`` where the run starts from something; or ``sample`` where it goes on with what another stage
            left (``stage:NAME``); or ``noisy`` where the caller's picture has noise in it; and ``known`` and
            ``unknown`` where part is kept, see ``sampling.Known``. The task for the caller's pictures is run, in every
            stage; of two for the same, the one without ``start`` at a strength of 1.
        network: Computed at every call; they write ``prediction``.
        result: Computed once, at the end; the last part says what the result is.
        guidance: Classifier-free guidance, or None where the network is asked once.
        schedule: What is added to the scheduler's config.
        tiny: Computed in place of ``result`` where the caller asks for the small decoder; empty: there is none.
    """

    name: str
    space: Space
    given: tuple[Part, ...]
    tasks: dict[str, tuple[Part, ...]]
    network: tuple[Part, ...]
    result: tuple[Part, ...]
    guidance: Guidance | None = None
    schedule: Schedule = field(default_factory=Schedule)
    tiny: tuple[Part, ...] = ()

    @property
    def phases(self) -> dict[str, tuple[Part, ...]]:
        """All parts by phase, in the order they run."""
        return {"given": self.given, **self.tasks, "network": self.network, **self.results}

    @property
    def results(self) -> dict[str, tuple[Part, ...]]:
        """The phases of which one makes the result."""
        return {"result": self.result, **({"tiny": self.tiny} if self.tiny else {})}

    @classmethod
    def read(cls, fields: Fields) -> Stage:
        """Read a stage.

        Raises:
            ManifestError: A field or a part is not as specified.
        """
        tasks = fields.fields("tasks")
        space = read_record(Space, fields.fields("space"))
        _check_space(space, fields)
        guidance = None if fields.values.get("guidance") is None else fields.fields("guidance")
        schedule = fields.fields("schedule") if fields.values.get("schedule") is not None else Fields({})
        return cls(
            name=fields.string("name"),
            space=space,
            given=_read_parts(fields, "given"),
            tasks={task: _read_parts(tasks, task) for task in tasks.values},
            network=_read_parts(fields, "network"),
            result=_read_parts(fields, "result"),
            guidance=None if guidance is None else read_record(Guidance, guidance),
            schedule=read_record(Schedule, schedule),
            tiny=() if fields.values.get("tiny") is None else _read_parts(fields, "tiny"),
        )

    def written(self) -> dict[str, Any]:
        """The stage as JSON values."""
        return {
            "name": self.name,
            "space": write_record(self.space),
            "given": _written(self.given),
            "tasks": {task: _written(parts) for task, parts in self.tasks.items()},
            "network": _written(self.network),
            "result": _written(self.result),
            "guidance": None if self.guidance is None else write_record(self.guidance),
            "schedule": write_record(self.schedule),
            **({"tiny": _written(self.tiny)} if self.tiny else {}),
        }


@final
@dataclass(frozen=True, slots=True)
class Recipe:
    """The stages of a model, in the order they run."""

    stages: tuple[Stage, ...]

    @property
    def first(self) -> Stage:
        """The stage that a run begins with."""
        return self.stages[0]

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the model can do."""
        return tuple(self.first.tasks)

    @property
    def parts(self) -> tuple[str, ...]:
        """The kinds of parts that it uses, in alphabetical order."""
        return tuple(sorted({_KIND_NAMES[type(part)] for stage in self.stages for part in _all_parts(stage)}))

    @property
    def tokenizers(self) -> tuple[str, ...]:
        """The directories of the tokenizers that it uses."""
        parts = (part for stage in self.stages for part in _all_parts(stage))
        return tuple(dict.fromkeys(part.tokenizer for part in parts if isinstance(part, Tokens)))

    @property
    def labels(self) -> Choice | None:
        """The part that says which class is drawn, of a model that takes no text; None where there is none."""
        if self.tokenizers:
            return None
        parts = (part for stage in self.stages for part in _all_parts(stage))
        return next((part for part in parts if isinstance(part, Choice) and part.below is not None), None)

    @property
    def options(self) -> tuple[str, ...]:
        """What a caller may ask for: what a part reads, and what every run takes."""
        names: list[str] = []
        for stage in self.stages:
            names += [name for part in _all_parts(stage) for name in part.options]
            if stage.guidance is not None:
                names += [*stage.guidance.options, "guidance_rescale", "guidance_interval", "reuse_guidance"]
            if any("start" in part.writes for parts in stage.tasks.values() for part in parts):
                names += ["strength", "noise_level", *(("enlarge", "tile") if stage.space.sized else ())]
            if any(isinstance(part, Graph) and part.tiled for part in _all_parts(stage)):
                names.append("tile")
            if stage.tiny:
                names.append("decoder")
            names += stage.schedule.options
            if stage.space.sized:
                names += ["width", "height"]
        return tuple(dict.fromkeys((*names, *ALWAYS)))

    def graphs(self) -> tuple[GraphUse, ...]:
        """Every graph with what it takes and gives, in the order they run; the one place to ask which is which."""
        return tuple(_uses(self.stages))

    @property
    def network(self) -> GraphUse:
        """The graph that the first stage's sampler asks again and again: the last among its network parts."""
        return [use for use in self.graphs() if (use.stage, use.phase) == (self.first.name, "network")][-1]

    @property
    def drawing(self) -> tuple[str, ...]:
        """The components of the first task: what drawing without a picture of the caller's computes."""
        return tuple(dict.fromkeys(use.role for use in self.run_of(self.tasks[0])))

    def run_of(self, task: str, *, tiny: bool = False) -> tuple[GraphUse, ...]:
        """The graphs that a run of a task computes, which decodes with the small decoder or without."""
        phases = {"given", task, "network", "tiny" if tiny else "result"}
        return tuple(use for use in self.graphs() if use.phase in phases)

    @property
    def duties(self) -> dict[str, Duty]:
        """What each component is there for."""
        kinds: dict[str, Duty] = {"given": "condition", "network": "network", "tiny": "tiny"}
        found: dict[str, Duty] = {}
        for use in self.graphs():
            found.setdefault(use.role, kinds.get(use.phase, "picture"))
        return found

    @property
    def encoders(self) -> dict[str, str]:
        """The components that are fed the caller's picture and nothing else, each with the input that takes it."""
        pictures = {part.to for stage in self.stages for part in _all_parts(stage) if isinstance(part, Picture)}
        return {use.role: next(iter(use.feeds)) for use in self.graphs() if {*use.feeds.values()} <= pictures}

    def only(self, roles: Sequence[str]) -> Recipe:
        """The recipe without the tasks whose graphs are not among ``roles``; one task is always left."""
        stages = []
        for stage in self.stages:
            possible = {
                task: parts
                for index, (task, parts) in enumerate(stage.tasks.items())
                if index == 0 or all(part.role in roles for part in parts if isinstance(part, Graph))
            }
            stages.append(replace(stage, tasks=possible))
        return Recipe(tuple(stages))

    @classmethod
    def read(cls, fields: Fields) -> Recipe:
        """Read ``stages``.

        Raises:
            ManifestError: There is none, or one is not as specified.
        """
        kinds = fields.strings("parts") if fields.values.get("parts") is not None else ()
        if unknown := sorted({*kinds} - KINDS.keys()):
            raise fields.fail("parts", f"none that this edgediff does not know; `{unknown[0]}` came later: upgrade it")
        stages = tuple(Stage.read(item) for item in fields.objects("stages"))
        if not stages:
            raise fields.fail("stages", "at least one stage")
        return cls(stages)

    def written(self) -> list[dict[str, Any]]:
        """``stages`` as JSON values."""
        return [stage.written() for stage in self.stages]


def token_count(space: Space, schedule: Schedule, *, width: int, height: int) -> int:
    """How many tokens a picture is to the network, for dynamic shifting."""
    _, rows, columns = space.shape(width=width, height=height)
    per_side = max(schedule.token // space.factor, 1)
    return math.ceil(rows / per_side) * math.ceil(columns / per_side)


def _all_parts(stage: Stage) -> Iterator[Part]:
    for parts in stage.phases.values():
        yield from parts


def _uses(stages: Sequence[Stage]) -> Iterator[GraphUse]:
    for stage in stages:
        for phase, parts in stage.phases.items():
            times: dict[str, TimeSinusoid | None] = {"t": None, "t_rows": None} if phase == "network" else {}
            for part in parts:
                if isinstance(part, Affine | TimeSinusoid) and part.name in times:
                    times[part.to] = part if isinstance(part, TimeSinusoid) else times[part.name]
                if isinstance(part, Graph):
                    time, value = next((feed for feed in part.feeds.items() if feed[1] in times), (None, ""))
                    takes, sinusoid = tuple(part.takes), times.get(value)
                    yield GraphUse(part.role, stage.name, phase, part.feeds, takes, time, sinusoid, part.tiled)


def _read_parts(fields: Fields, name: str) -> tuple[Part, ...]:
    return tuple(_read_part(item) for item in fields.objects(name))


def _read_part(fields: Fields) -> Part:
    kind = fields.string("part")
    if kind not in KINDS:
        raise fields.fail("part", f"one of {', '.join(KINDS)}, which are those that this edgediff knows")
    return read_record(KINDS[kind], fields)


def _written(parts: Sequence[Part]) -> list[dict[str, Any]]:
    return [{"part": _KIND_NAMES[type(part)], **write_record(part)} for part in parts]


def _check_space(space: Space, fields: Fields) -> None:
    if any(len(size) != 2 for size in space.trained):  # noqa: PLR2004 - width and height
        raise fields.fields("space").fail("trained", "rows of a width and a height")
    rows = space.preview
    if rows is not None and (len(rows) != space.channels + 1 or any(len(row) != RGB_CHANNELS for row in rows)):
        raise fields.fields("space").fail("preview", f"{space.channels + 1} rows of three numbers")
