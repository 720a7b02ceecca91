"""Whether the components of a source fit each other: what families look at before anything is exported."""

from __future__ import annotations

from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError

_RGB = 3


def check_latents(source: Source, *, patch: int = 1, learned: bool = False, mask: int = 0) -> None:
    """Whether a transformer takes and gives the latents of its VAE, and the VAE pictures in colour.

    Args:
        source: The source.
        patch: Entries of the latents in one of the transformer's.
        learned: Whether it may give a variance beside the prediction.
        mask: Channels of a mask that it may be shown for each entry, with the latents of a picture; 0: it is not.

    Raises:
        SourceError: They do not.
    """
    transformer, latent = source.config("transformer"), patch * source.config("vae").get("latent_channels", 4)
    takes = transformer.get("in_channels", 4)
    gives = transformer.get("out_channels") or takes
    shown = 2 * latent + patch * mask if mask else latent
    if takes not in (latent, shown) or gives not in ((latent, 2 * latent) if learned else (latent,)):
        of = "the channels of its VAE's latents" + ("" if patch == 1 else f", {patch} entries at a time")
        more = " or twice as many" if learned else ""
        raise SourceError(
            f"the transformer takes {takes} channels and gives {gives}: expected {latent}, {of}, and as many{more}"
        )
    check_colours(source)


def check_colours(source: Source) -> None:
    """Whether the VAE takes and gives pictures in colour.

    Raises:
        SourceError: It does not.
    """
    vae = source.config("vae")
    for name in ("in_channels", "out_channels"):
        if (channels := vae.get(name, _RGB)) != _RGB:
            raise SourceError(f"the VAE's `{name}` is {channels}: expected {_RGB}, for red, green and blue")


def check_text(source: Source, field: str, wanted: object, why: str) -> None:
    """Whether a number of the transformer's config is that of what feeds it.

    Args:
        source: The source.
        field: The number's name.
        wanted: What it must be.
        why: What that is.

    Raises:
        SourceError: It is another.
    """
    if (got := source.config("transformer").get(field)) != wanted:
        raise SourceError(f"the transformer's `{field}` is {got}: expected {wanted}, {why}")
