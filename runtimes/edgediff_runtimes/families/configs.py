"""The configs of a model, as diffusers keeps them: what a family needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from edgediff_runtimes.errors import BundleError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.untrusted.bounds import CHANNELS, FACTOR, SCALES, SIDE, scales

_DEFAULT_SCALING = 0.18215  # of diffusers' AutoencoderKL, which early configs leave out


@final
@dataclass(frozen=True, slots=True)
class Configs:
    """The configs of a directory.

    Attributes:
        index: ``model_index.json``.
        by_name: The config of each of its folders.
        scheduler: The scheduler's.
    """

    index: Mapping[str, Any]
    by_name: Mapping[str, Mapping[str, Any]]
    scheduler: Mapping[str, Any] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether there is a folder of that name with a config."""
        return name in self.by_name

    def of(self, name: str) -> Fields:
        """A folder's config; optimum keeps that of ``vae`` with its decoder.

        Raises:
            BundleError: There is none.
        """
        for folder in (name, f"{name}_decoder"):
            if folder in self.by_name:
                return Fields(self.by_name[folder], f"{folder}/config.json")
        raise BundleError(f"`{name}/config.json` is missing: it says how the model is made")

    @property
    def class_name(self) -> str:
        """The pipeline's class as diffusers names it."""
        name = Fields(self.index, "model_index.json").string("_class_name")
        return name.removeprefix("ORT").removeprefix("OV")

    def vae_factor(self, name: str = "vae", *, blocks: str = "block_out_channels", whole: int = 1) -> int:
        """Pixels along one side of a latent pixel of an autoencoder.

        Args:
            name: Its folder.
            blocks: The field that has an entry for each of its blocks.
            whole: How many of the blocks do not halve the sides.
        """
        fields = self.of(name)
        halvings, most = len(fields.array(blocks)) - whole, FACTOR.most.bit_length() - 1
        if not 0 <= halvings <= most:
            raise fields.fail(blocks, f"{whole} to {most + whole} blocks")
        return int(2**halvings)

    def tiny(self, name: str = "vae") -> bool:
        """Whether it is an ``AutoencoderTiny``, whose latents are scaled already and whose encoder draws nothing."""
        return self.of(name).values.get("_class_name") == "AutoencoderTiny"

    def channels(self, name: str = "vae") -> int:
        """Channels of its latents."""
        return self.of(name).integer("latent_channels", minimum=1, bound=CHANNELS)

    def scaling(self, name: str = "vae") -> tuple[float, float]:
        """Scaling and shift of an autoencoder: latents are (encoded - shift) * scaling."""
        fields = self.of(name)
        scaling = fields.optional_number("scaling_factor")
        if scaling is None:
            scaling = 1.0 if self.tiny(name) else _DEFAULT_SCALING
        if not scales(scaling):
            raise fields.fail("scaling_factor", SCALES)
        return scaling, fields.optional_number("shift_factor") or 0.0

    def sample_size(self, name: str, *, default: int) -> tuple[int, int]:
        """Height and width that a network was made for, in its own entries; diffusers takes one number or two."""
        fields = self.of(name)
        size = fields.values.get("sample_size") or default
        sides = size if isinstance(size, list | tuple) else [size]
        if len(sides) not in (1, 2) or not all(type(side) is int and 0 < side <= SIDE.most for side in sides):
            raise fields.fail("sample_size", f"one whole number above 0 and at most {SIDE.most:,}, or two")
        return sides[0], sides[-1]

    def trained_size(self, name: str, *, default: int, factor: int) -> tuple[int, int]:
        """Width and height in pixels that a network over latents was made for; ``factor`` is ``vae_factor``'s."""
        height, width = self.sample_size(name, default=default)
        return width * factor, height * factor
