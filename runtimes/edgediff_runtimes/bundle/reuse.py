"""The manifest's ``reuse``: with which settings how many network calls were found to be enough, and how near they come.

``edgediff tune`` writes it, see ``edgediff_runtimes.tuning``; ``edgediff verify`` measures it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from edgediff_runtimes.bundle.quality import PictureQuality
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.sampling.reuse import FEWEST, HIGHEST, ReuseSchedule
from edgediff_runtimes.untrusted.bounds import SIDE, STEPS, THREADS

CALLS_PER_STEP = 4  # more than any solver makes


@final
@dataclass(frozen=True, slots=True)
class TenthSpread:
    """A figure over all pictures: its mean, and the mean of the worst tenth of them."""

    mean: float
    worst_tenth: float

    @classmethod
    def read(cls, fields: Fields) -> TenthSpread:
        """Read both."""
        return cls(fields.number("mean"), fields.number("worst_tenth"))


@final
@dataclass(frozen=True, slots=True)
class ProvedReuse:
    """A schedule of reuse, what it was measured with, and what came out against the run that makes all calls.

    Attributes:
        orders: As ``ReuseSchedule`` has them, one entry for each network call of a whole run.
        steps: Sampling steps.
        guidance: Guidance scale; None where the model has none.
        sampler: A sampler's name, or None for the bundle's own schedule; in both cases without further options.
        width: Pixels.
        height: Pixels.
        psnr_db: Of the pictures against those of the run that makes all calls.
        ssim: Likewise.
        error: The largest prediction error that a call of these pictures had, see ``Reusing``.
        pictures: Each one, drawn from prompts and seeds that the search did not see.
        engine: What computed them.
        engine_version: Its version.
        device: The engine's name for it.
        execution: What floats of the network were computed in.
        threads: Threads of the engine; None where it does not tell.
    """

    orders: tuple[int | None, ...]
    steps: int
    guidance: float | None
    sampler: str | None
    width: int
    height: int
    psnr_db: TenthSpread
    ssim: TenthSpread
    error: float
    pictures: tuple[PictureQuality, ...]
    engine: str
    engine_version: str
    device: str
    execution: str
    threads: int | None = None

    @property
    def schedule(self) -> ReuseSchedule:
        """The calls that are made, and how the others are extrapolated."""
        return ReuseSchedule(self.orders)

    @classmethod
    def read(cls, fields: Fields) -> ProvedReuse:
        """Read one; its schedule makes the first two calls and the last one."""
        pictures = tuple(PictureQuality.read(item) for item in fields.objects("pictures"))
        if not pictures:
            raise fields.fail("pictures", "at least one picture")
        steps = fields.integer("steps", minimum=1, bound=STEPS)
        return cls(
            orders=_orders(fields, most=CALLS_PER_STEP * steps),
            steps=steps,
            guidance=fields.optional_number("guidance"),
            sampler=fields.optional_string("sampler"),
            width=fields.integer("width", minimum=1, bound=SIDE),
            height=fields.integer("height", minimum=1, bound=SIDE),
            psnr_db=TenthSpread.read(fields.fields("psnr_db")),
            ssim=TenthSpread.read(fields.fields("ssim")),
            error=fields.number("error"),
            pictures=pictures,
            engine=fields.string("engine"),
            engine_version=fields.string("engine_version"),
            device=fields.string("device"),
            execution=fields.string("execution"),
            threads=fields.optional_integer("threads", minimum=1, bound=THREADS),
        )


def _orders(fields: Fields, *, most: int) -> tuple[int | None, ...]:
    orders = fields.array("orders")
    if len(orders) > most or not ReuseSchedule.fits(orders):
        expected = f"{FEWEST} to {most} entries, each null or a whole number from 0 to {HIGHEST}"
        raise fields.fail("orders", f"{expected}; null for the first two and the last, which are always made")
    return tuple(orders)
