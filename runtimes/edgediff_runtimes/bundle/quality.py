"""The manifest's ``quality``: how far what a bundle draws is from what the fp32 model draws.

All dB are between -120 and 120, see ``edgediff_runtimes.quality.measures``, which also says what the figures mean.
``edgediff_runtimes.quality`` measures them; ``edgediff verify`` measures them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

from edgediff_runtimes.bundle.file_entry import FileEntry
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.untrusted.bounds import SIDE, STEPS, THREADS


@final
@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over all pictures: its mean and its worst."""

    mean: float
    worst: float

    @classmethod
    def read(cls, fields: Fields) -> Spread:
        """Read both."""
        return cls(fields.number("mean"), fields.number("worst"))


@final
@dataclass(frozen=True, slots=True)
class Fidelity:
    """How near pictures are to fp32's, means over all of them: PSNR in dB, and SSIM up to 1."""

    psnr_db: float
    ssim: float

    @classmethod
    def read(cls, fields: Fields) -> Fidelity:
        """Read both."""
        return cls(fields.number("psnr_db"), fields.number("ssim"))


@final
@dataclass(frozen=True, slots=True)
class PictureQuality:
    """One picture: its prompt and seed, and how near it is to the one that the fp32 model draws from them.

    The prompt is a label, or empty, where the model takes no text.
    """

    prompt: str
    seed: int
    psnr_db: float
    ssim: float

    @classmethod
    def read(cls, fields: Fields) -> PictureQuality:
        """Read one picture."""
        figures = fields.number("psnr_db"), fields.number("ssim")
        return cls(fields.text("prompt"), fields.integer("seed"), *figures)


@final
@dataclass(frozen=True, slots=True)
class LevelQuality:
    """A network at one noise level, which is the time step it is called with: SNR of its output in dB."""

    timestep: float
    snr_db: float

    @classmethod
    def read(cls, fields: Fields) -> LevelQuality:
        """Read one level."""
        return cls(fields.number("timestep"), fields.number("snr_db"))


@final
@dataclass(frozen=True, slots=True)
class ComponentQuality:
    """One component on the inputs that it has along the fp32 model's trajectories.

    Attributes:
        execution: What it was computed in: ``f32``, ``bf16`` or ``f16``.
        snr_db: Of its output against fp32's, energies of all inputs added.
        levels: The same for each noise level, noisiest first; empty where the component knows none.
        alone: The pictures when this component alone is replaced and all others are fp32's; None where that was not
            measured, and for a component that takes no part in drawing from text.
        rescued: Calls, of probes and pictures, in which it returned values that are not finite and was computed again
            in f32.
    """

    execution: str
    snr_db: float
    levels: tuple[LevelQuality, ...] = ()
    alone: Fidelity | None = None
    rescued: int = 0

    @classmethod
    def read(cls, fields: Fields) -> ComponentQuality:
        """Read one component."""
        return cls(
            execution=fields.string("execution"),
            snr_db=fields.number("snr_db"),
            levels=tuple(LevelQuality.read(item) for item in fields.objects("levels")),
            alone=None if fields.values.get("alone") is None else Fidelity.read(fields.fields("alone")),
            rescued=0 if fields.values.get("rescued") is None else fields.integer("rescued"),
        )


@final
@dataclass(frozen=True, slots=True)
class SearchPoint:
    """One candidate of a search for a mixed precision.

    Attributes:
        lifted: The layers that were left in a higher precision, by name.
        bytes: Size of the bundle's graphs and weights.
        psnr_db: As in ``Fidelity``.
        ssim: As in ``Fidelity``.
        latency_ratio: Time of one call of the network, over fp32's in the same session; None where it was not timed.
    """

    lifted: tuple[str, ...]
    bytes: int
    psnr_db: float
    ssim: float
    latency_ratio: float | None = None

    @classmethod
    def read(cls, fields: Fields) -> SearchPoint:
        """Read one candidate."""
        return cls(
            lifted=fields.strings("lifted"),
            bytes=fields.integer("bytes"),
            psnr_db=fields.number("psnr_db"),
            ssim=fields.number("ssim"),
            latency_ratio=fields.optional_number("latency_ratio"),
        )


@final
@dataclass(frozen=True, slots=True)
class Search:
    """A search for a mixed precision: every candidate in the order it was tried, and the index of the one chosen."""

    points: tuple[SearchPoint, ...]
    chosen: int

    @classmethod
    def read(cls, fields: Fields) -> Search:
        """Read a search; it chose one of its points."""
        points = tuple(SearchPoint.read(item) for item in fields.objects("points"))
        chosen = fields.integer("chosen")
        if chosen >= len(points):
            raise fields.fail("chosen", f"the index of one of {len(points)} points")
        return cls(points, chosen)


@final
@dataclass(frozen=True, slots=True)
class TaskMetric:
    """A figure of what the model is for, higher is better: its name, fp32's value, the bundle's."""

    name: str
    fp32: float
    value: float

    @classmethod
    def read(cls, fields: Fields) -> TaskMetric:
        """Read one figure."""
        return cls(fields.string("name"), fields.number("fp32"), fields.number("value"))


@final
@dataclass(frozen=True, slots=True)
class QualityReport:
    """How far a bundle is from the fp32 model it was made from.

    Attributes:
        reference: The record of what fp32 draws, which the bundle carries, see ``quality.reference``.
        steps: Sampling steps of the pictures.
        guidance: Their guidance scale.
        width: Pixels.
        height: Pixels.
        engine: What computed the bundle's graphs.
        engine_version: Its version.
        device: The device it was asked for, by its name.
        threads: Threads of the processor that computed the network; None where the engine did not tell.
        psnr_db: Of the pictures against fp32's, in dB.
        ssim: Of the pictures against fp32's, up to 1.
        pictures: One by one.
        components: By role.
        latency_ratio: Time of one call of the network, over fp32's with its own engine on the same machine: medians of
            calls made in turns; None where it was not timed.
        task_metric: What a task says of the pictures, or None.
        search: How a mixed precision was found, or None.
    """

    reference: FileEntry
    steps: int
    guidance: float
    width: int
    height: int
    engine: str
    engine_version: str
    device: str
    psnr_db: Spread
    ssim: Spread
    pictures: tuple[PictureQuality, ...]
    components: dict[str, ComponentQuality]
    threads: int | None = None
    latency_ratio: float | None = None
    task_metric: TaskMetric | None = None
    search: Search | None = None

    @classmethod
    def read(cls, fields: Fields) -> QualityReport:
        """Read a report; it is of one picture at least."""
        components = fields.fields("components")
        pictures = tuple(PictureQuality.read(item) for item in fields.objects("pictures"))
        if not pictures:
            raise fields.fail("pictures", "at least one picture")
        threads = fields.optional_integer("threads", minimum=1, bound=THREADS)
        task_metric, search = (fields.values.get(name) is not None for name in ("task_metric", "search"))
        return cls(
            reference=FileEntry.read(fields.fields("reference")),
            steps=fields.integer("steps", minimum=1, bound=STEPS),
            guidance=fields.number("guidance"),
            width=fields.integer("width", minimum=1, bound=SIDE),
            height=fields.integer("height", minimum=1, bound=SIDE),
            engine=fields.string("engine"),
            engine_version=fields.string("engine_version"),
            device=fields.string("device"),
            psnr_db=Spread.read(fields.fields("psnr_db")),
            ssim=Spread.read(fields.fields("ssim")),
            pictures=pictures,
            components={role: ComponentQuality.read(components.fields(role)) for role in components.values},
            threads=threads,
            latency_ratio=fields.optional_number("latency_ratio"),
            task_metric=TaskMetric.read(fields.fields("task_metric")) if task_metric else None,
            search=Search.read(fields.fields("search")) if search else None,
        )

    def with_attribution(self, alone: Mapping[str, Fidelity]) -> QualityReport:
        """The same report with what each component costs alone."""
        components = {
            role: replace(component, alone=alone.get(role, component.alone))
            for role, component in self.components.items()
        }
        return replace(self, components=components)
