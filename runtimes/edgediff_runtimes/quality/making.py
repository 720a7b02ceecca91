"""Making the reference record: the fp32 model draws, and what its components see and say on the way is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.components import Loaded
from edgediff_runtimes.engines.tapping import TappingEngine
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.images import image_to_array
from edgediff_runtimes.parts.times import number_of
from edgediff_runtimes.plain import as_whole
from edgediff_runtimes.quality.pictures import with_pictures
from edgediff_runtimes.quality.prompts import EVALUATION_PROMPTS, call_of
from edgediff_runtimes.quality.reference import Probe, Reference
from edgediff_runtimes.quality.running import Runner
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import TimeSinusoid
from edgediff_runtimes.results import Result
from edgediff_runtimes.settings import Options
from edgediff_runtimes.tensors import Array

OnProgress: TypeAlias = Callable[[str, int, int], None]

# Pictures whose trajectories are probed, and the noise levels on each, first and last among them: they bound the size.
PROBED_PICTURES, PROBED_LEVELS = 2, 6
# What makes a picture is probed on its middle, at most so many latent pixels wide and high: a decoded picture of
# 512x512 as float32 is 3 MB.
_PROBED_SIDE = 32
_PICTURE_AXES = 4


def ignore(what: str, done: int, total: int) -> None:
    """A progress that nobody looks at."""


def make_reference(
    fp32: Runner,
    *,
    prompts: Sequence[str] = EVALUATION_PROMPTS,
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    width: int | None = None,
    height: int | None = None,
    on_progress: OnProgress = ignore,
) -> Reference:
    """Draw with the fp32 bundle and keep the pictures and probes of every component.

    Kept are 8 bits per colour of every picture and, of the first ``PROBED_PICTURES``, what the encoders of
    conditions, the network at ``PROBED_LEVELS`` noise levels and the VAE (on the middle of the picture) took and gave.

    Args:
        fp32: The bundle of the original in fp32.
        prompts: One per picture, none of which was calibrated with; without text what ``Subjects`` has.
        seed: Of the first picture; picture i has ``seed + i``.
        steps: Sampling steps; None takes the bundle's.
        guidance: Guidance scale; None takes the bundle's.
        width: Pixels; None takes the bundle's.
        height: Pixels; None takes the bundle's.
        on_progress: Told ``(what, pictures done, pictures in all)``.

    Raises:
        SettingError: There is no prompt, or a setting cannot be applied.
        EdgediffError: The bundle cannot be drawn with.
    """
    first = as_whole(seed)
    if first is None or first < 0:
        raise SettingError("seed", got=seed, expected="a whole number of at least 0")
    if not prompts:
        raise SettingError("evaluate", got=prompts, expected="at least one prompt")
    asked: Options = {"steps": steps, "guidance": guidance, "width": width, "height": height}
    results, probes = list[Result](), list[Probe]()
    recipe = fp32.bundle.manifest.recipe
    tap = _Tap(recipe)
    engine = TappingEngine(fp32.engine_of(recipe.network.role), tap)
    with Runner(fp32.bundle, replace(fp32.placement, engine=engine)).pipeline() as pipeline:
        for index, subject in enumerate(prompts):
            on_progress("reference pictures", index, len(prompts))
            tap.begin(listening=index < PROBED_PICTURES)
            prompt, options = call_of(recipe, subject)
            call: Options = {**asked, **options, "seed": first + index}
            results.append(pipeline(prompt, **with_pictures(recipe, fp32.bundle.manifest.defaults, call)))
            probes += tap.probes()
    probes += [*_cut_probes(fp32, tap.results), *_encoder_probes(fp32, results[:PROBED_PICTURES])]
    on_progress("reference pictures", len(prompts), len(prompts))
    settings = results[0].settings
    return Reference(
        prompts=tuple(prompts),
        seeds=tuple(result.seed for result in results),
        steps=settings.steps or 0,
        guidance=settings.guidance or 0.0,
        pictures=np.stack([pixels_of(result) for result in results]),
        probes=tuple(probes),
        engine=f"{engine.name} {engine.version}",
    )


def pixels_of(result: Result) -> NDArray[np.uint8]:
    """The first picture of a run in colour: ``(height, width, 3)``."""
    return np.asarray(result.images[0].convert("RGB"))


@final
class _Tap:
    """Listens to the components while one picture is drawn: memory stays that of one picture.

    Attributes:
        results: What the graphs that make pictures of the final samples were fed, by component.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.results: list[tuple[str, dict[str, Array]]] = []
        self._uses = {use.role: use for use in recipe.graphs()}
        self._calls: list[Probe] = []
        self._listening = False

    def begin(self, *, listening: bool) -> None:
        self._calls.clear()
        self._listening = listening

    def __call__(self, role: str, feeds: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        if not self._listening or role not in self._uses:
            return
        use = self._uses[role]
        if use.phase == "result":
            self.results.append((role, {name: _middle(array, _PROBED_SIDE) for name, array in feeds.items()}))
            return
        kept = {name: array.copy() for name, array in feeds.items()}
        timestep = None if use.time is None else _time(kept[use.time], use.sinusoid)
        self._calls.append(Probe(role, kept, use.takes[0], outputs[use.takes[0]].copy(), timestep))

    def probes(self) -> Iterator[Probe]:
        """The calls that had no time step, and some noise levels of those that had; none where it did not listen."""
        yield from (call for call in self._calls if call.timestep is None)
        network = [call for call in self._calls if call.timestep is not None]
        yield from (network[index] for index in _spread_over(len(network)))


def _spread_over(calls: int) -> list[int]:
    """At most ``PROBED_LEVELS`` indices of so many calls, first and last among them."""
    return sorted({round(place) for place in np.linspace(0, calls - 1, PROBED_LEVELS)}) if calls else []


def _cut_probes(fp32: Runner, calls: Sequence[tuple[str, dict[str, Array]]]) -> Iterator[Probe]:
    """The graphs that make pictures, on the middle of what they were fed."""
    for role in dict.fromkeys(role for role, _ in calls):
        with fp32.use(role) as (component, _):
            yield from (_probe(fp32, component, feeds) for other, feeds in calls if other == role)


def _encoder_probes(fp32: Runner, results: Sequence[Result]) -> Iterator[Probe]:
    """The middle of the pictures, encoded, where the bundle can."""
    recipe = fp32.bundle.manifest.recipe
    for role, name in recipe.encoders.items():
        with fp32.use(role) as (encoder, _):
            for result in results:
                width, height = result.images[0].size
                pixels = image_to_array(result.images[0], width=width, height=height)
                yield _probe(fp32, encoder, {name: _middle(pixels, _PROBED_SIDE * recipe.first.space.factor)})


def _probe(fp32: Runner, component: Loaded, feeds: dict[str, Array]) -> Probe:
    use = next(use for use in fp32.bundle.manifest.recipe.graphs() if use.role == component.role)
    (output,) = use.takes[:1]
    return Probe(component.role, feeds, output, component.run(feeds, [output])[output])


def _time(told: Array, sinusoid: TimeSinusoid | None) -> float:
    """The time step that a network was told, as a number or as sines and cosines of it."""
    return float(told.flat[0]) if sinusoid is None else number_of(sinusoid, told[0])


def _middle(array: Array, side: int) -> Array:
    """The middle of ``(batch, channels, height, width)``, at most ``side`` high and wide; others as they are."""
    if array.ndim != _PICTURE_AXES:
        return array.copy()
    top, left = ((length - min(length, side)) // 2 for length in array.shape[2:])
    return np.ascontiguousarray(array[:, :, top : top + side, left : left + side])
