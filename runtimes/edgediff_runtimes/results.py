"""What a run gives: steps on the way, pictures at the end."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

from PIL import Image

from edgediff_runtimes.adapters import AppliedEmbedding, AppliedLora
from edgediff_runtimes.bundle.reuse import TenthSpread
from edgediff_runtimes.components import Computed
from edgediff_runtimes.picture_files import check_place, save_image
from edgediff_runtimes.placement import Residency
from edgediff_runtimes.previews import preview
from edgediff_runtimes.recipe import Space
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.tensors import Floats


def numbered(path: Path, images: int) -> list[Path]:
    """The file of each picture of a run: the path itself, or ``-0``, ``-1`` ... before its suffix."""
    return [path] if images == 1 else [path.with_stem(f"{path.stem}-{i}") for i in range(images)]


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One sampling step that is done.

    Attributes:
        index: From 0.
        total: Steps of the run.
        timestep: What the network was called with.
        sigma: Noise level the step started from, in the sampler's terms.
        latents: ``(batch, channels, height, width)`` after the step.
        denoised: The clean latents that the network predicted, of the same shape.
    """

    index: int
    total: int
    timestep: float
    sigma: float
    latents: Floats = field(repr=False)
    denoised: Floats = field(repr=False)
    space: Space = field(repr=False)

    def preview(self) -> list[Image.Image]:
        """What the pictures look like so far: a linear map of ``denoised``, made only when asked for.

        Raises:
            SettingError: The bundle has no preview map.
        """
        return preview(self.denoised, self.space)


@final
@dataclass(slots=True)
class Timings:
    """Seconds of wall time. Loading of components counts to the phase that first needed them."""

    text_s: float = 0.0
    encode_s: float = 0.0
    steps_s: list[float] = field(default_factory=list)
    decode_s: float = 0.0
    total_s: float = 0.0


@final
@dataclass(frozen=True, slots=True)
class Reused:
    """How a run that was asked to reuse predictions came out.

    Attributes:
        schedule: ``proved`` (it was measured with these settings, as the bundle says), ``even`` or ``given`` (its
            quality was not measured), or ``full`` (``auto`` found nothing that was measured).
        orders: One for each call: None where it was made, else the degree of the polynomial that answered it.
        calls: Network calls of the whole schedule; with guidance each is for both branches.
        made: Those that were made.
        errors: The prediction error of each call that was made, from the third on, see ``sampling.reuse.Reusing``.
        jumped: The call, from 0, at which the error jumped under ``strict``, so that all after it were made; else None.
        psnr_db: What was measured of this schedule, against the run that makes all calls; None where it was not.
    """

    schedule: Literal["proved", "even", "given", "full"]
    orders: tuple[int | None, ...]
    calls: int
    made: int
    errors: tuple[float, ...]
    jumped: int | None = None
    psnr_db: TenthSpread | None = None


@final
@dataclass(frozen=True, slots=True)
class Result:
    """Pictures, and all that is needed to draw them again.

    Attributes:
        images: One PIL image per picture: all of the first prompt, then all of the second ...
        latents: What was decoded, ``(batch, channels, height, width)``.
        settings: Every setting of the run, defaults filled in.
        timings: Where the time went.
        provenance: Name and fingerprint of the bundle, for the files' metadata.
        computed: How each component was computed, by role: in what, and how often it had to be rescued.
        residency: Whether components stay between runs (``resident``) or each is freed behind its use
            (``sequential``).
        reuse: How reuse came out; None where it was not asked for.
        loras: The LoRAs that it was drawn with, and how many layers of each were bound.
        embeddings: The words that were added, and how many tokens each is.
    """

    images: list[Image.Image]
    latents: Floats = field(repr=False)
    settings: Settings
    timings: Timings
    provenance: dict[str, Any]
    computed: dict[str, Computed] = field(default_factory=dict)
    residency: Residency = "resident"
    reuse: Reused | None = None
    loras: tuple[AppliedLora, ...] = ()
    embeddings: tuple[AppliedEmbedding, ...] = ()

    @property
    def seed(self) -> int:
        """Seed of the first picture."""
        return self.settings.seed

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seed of every picture."""
        return self.settings.seeds

    def metadata(self, index: int) -> dict[str, Any]:
        """What goes into the file of a picture: the settings that draw it alone, their bundle, what computed it."""
        computed = {role: dataclasses.asdict(how) for role, how in self.computed.items()}
        metadata = {"settings": self.settings.of_image(index), **self.provenance, "computed": computed}
        if self.reuse is not None:
            # What was done, and not what was asked for: the bundle may be tuned anew before the picture is drawn again.
            metadata["settings"]["reuse"] = "off" if self.reuse.schedule == "full" else self.reuse.orders
            metadata["reuse"] = dataclasses.asdict(self.reuse)
        for name, applied in (("loras", self.loras), ("embeddings", self.embeddings)):
            if applied:
                metadata[name] = [dataclasses.asdict(one) for one in applied]
        return metadata

    def save(self, path: str | Path) -> list[Path]:
        """Write the pictures, over files that are there; PNG, JPEG and WebP carry the settings.

        Args:
            path: The file; several pictures get numbers, see ``numbered``. Folders on the way are made.

        Returns:
            The files written.

        Raises:
            ImageError: The suffix is unknown or the place cannot be written.
        """
        path = Path(path)
        check_place(path)
        paths = numbered(path, len(self.images))
        for index, (image, file) in enumerate(zip(self.images, paths, strict=True)):
            save_image(image, file, metadata=self.metadata(index))
        return paths
