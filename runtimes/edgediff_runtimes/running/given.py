"""The pictures that a caller gives: read before a run, put together with what is drawn behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast, final

from PIL import Image

from edgediff_runtimes.bundle import Manifest
from edgediff_runtimes.canvas import Canvas, extended_size
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.images import MAX_PIXELS, ImageSource, read_image, read_upright
from edgediff_runtimes.masks import check_mask, check_small_mask, read_mask
from edgediff_runtimes.recipe import Space, Stage
from edgediff_runtimes.recipe.declarations import Mask
from edgediff_runtimes.settings import Options, Settings, noise_levels
from edgediff_runtimes.settings.inpainting import extend
from edgediff_runtimes.settings.tasks import task_of


@final
@dataclass(frozen=True, slots=True)
class GivenPictures:
    """What a caller gave, read.

    Attributes:
        task: Of the recipe.
        pictures: By option.
        size: Width and height that a run has where the caller says none; None: the bundle's.
        first: The first stage.
    """

    task: str
    pictures: Mapping[str, Image.Image]
    size: tuple[int, int] | None
    first: Stage

    @classmethod
    def read(cls, manifest: Manifest, options: Options) -> GivenPictures:
        """Read the pictures that the caller's task takes.

        Raises:
            SettingError: The bundle has no task for them, or the mask does not suit the image.
            ImageError: One cannot be read.
        """
        (task, names), first = task_of(manifest.recipe, options), manifest.recipe.first
        sources = {name: cast("ImageSource", options.get(name)) for name in names if options.get(name) is not None}
        if "mask" not in names:
            pictures = {name: read_image(source) for name, source in sources.items()}
            size = next((picture.size for picture in pictures.values()), None)
            return cls(task, noise_levels.grey(first, task, pictures), size, first)
        upright, cropped = read_upright(sources["image"]), options.get("crop_mask") is not None
        pictures = {"image": read_image(upright)}
        if "mask" in sources:
            pictures["mask"] = read_mask(sources["mask"], upright)
            check_mask(pictures["mask"])
        larger = extended_size(
            upright.size, extend(options.get("extend")), multiple=_multiple(first.space, cropped=cropped)
        )
        if larger[0] * larger[1] > MAX_PIXELS:
            expected = f"a picture of at most {MAX_PIXELS:,} pixels in all"
            raise SettingError("extend", got=options.get("extend"), expected=expected)
        defaults = manifest.defaults
        if cropped and defaults.width is not None and defaults.height is not None:
            return cls(task, pictures, (defaults.width, defaults.height), first)
        return cls(task, pictures, larger, first)

    def canvas(self, settings: Settings) -> Canvas | None:
        """What is drawn into; None where nothing of a picture is kept.

        Args:
            settings: Of the run.

        Raises:
            SettingError: Nothing is drawn at the size of the run, or that is not the size of the larger picture.
        """
        if not settings.masked:
            return None
        padding, size = settings.crop_mask, (settings.width, settings.height)
        canvas = Canvas.of(
            self.pictures["image"],
            self.pictures.get("mask"),
            extend=settings.extend or {},
            multiple=_multiple(self.first.space, cropped=padding is not None),
            blur=settings.mask_blur or 0.0,
            exact=settings.keep == "exact",
            transparent=settings.mask == "alpha",
        )
        if padding is not None:
            check_mask(canvas.mask)
            canvas = canvas.cropped(*size, padding=padding)
        elif settings.extend and canvas.image.size != size:
            width, height = canvas.image.size
            expected = f"the size of the larger picture, which is {width}x{height}, beside `extend`"
            hint = "`crop_mask` draws what is new at any size"
            name, side = ("width", size[0]) if width != size[0] else ("height", size[1])
            raise SettingError(name, got=side, expected=expected, hint=hint)
        folded = any(isinstance(part, Mask) and part.folded for part in self.first.tasks[self.task])
        mask, space = canvas.given["mask"], self.first.space
        check_small_mask(mask, space, width=settings.width, height=settings.height, folded=folded)
        return canvas


def _multiple(space: Space, *, cropped: bool) -> int:
    """Of what width and height of a larger picture are made multiples: of nothing where it is cut to the mask."""
    return 1 if cropped else space.multiple or space.factor
