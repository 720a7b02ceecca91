"""What families share that draw pictures in the latents of an ``AutoencoderKL`` or ``AutoencoderTiny``.

Inpainting, in the order of draws of diffusers' pipelines: a network that is shown the picture beside the sample draws
into pictures alone; of any other the known part is kept in the loop (Lugmayr et al. 2022, "RePaint", eq. 8, without its
resampling).
"""

from __future__ import annotations

from typing import Literal

from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.recipe.declarations import Affine, Gaussian, Graph, Join, Mask, Noise, Picture, Pictures
from edgediff_runtimes.recipe.part import Part

TASKS = ("text-to-image", "image-to-image")
# Part of a picture is drawn anew: going on from what is there, or from noise alone, which is for a strength of 1.
INPAINTING = ("inpaint", "inpaint-from-noise")
# The folder of an ``AutoencoderTiny`` that a model has beside its own autoencoder; of it the decoder alone is read.
TINY = "tiny_decoder"


def picture_tasks(configs: Configs, network: str, *, patch: int = 1) -> dict[str, tuple[Part, ...]]:
    """From noise; or from a picture, whose latents are drawn before the noise; or into one.

    Args:
        configs: The model's.
        network: The network's folder.
        patch: Entries of the latents along one side of one of its tokens.
    """
    picture = Picture("image", "pixels")
    if (shown := shown_mask(configs, network, patch=patch)) is not None:
        return _shown_tasks(configs, folded=shown == "folded")
    known = (picture, *_encoded(configs, "pixels", "known"))
    # Theirs is that of the masked picture, which they encode and then do not look at.
    unseen = () if configs.tiny() else (Noise("unseen"),)
    into = Noise(), *unseen, Mask("mask", "unknown")
    return {
        TASKS[0]: (Noise(),),
        TASKS[1]: (picture, *_encoded(configs, "pixels", "start"), Noise()),
        INPAINTING[0]: (*known, Affine("known", "start"), *into),
        INPAINTING[1]: (*known, *into),
    }


def _shown_tasks(configs: Configs, *, folded: bool) -> dict[str, tuple[Part, ...]]:
    picture = Picture("image", "pixels")
    start = _encoded(configs, "pixels", "start")
    mask = Mask("mask", "unknown", "pixels", "masked_pixels", folded)
    masked = mask, *_encoded(configs, "masked_pixels", "masked")
    going_on = {INPAINTING[0]: (picture, *start, Noise(), *masked)}
    # FLUX.1 Fill draws for the picture at a strength of 1 too.
    return going_on if folded else {**going_on, INPAINTING[1]: (picture, Noise(), *masked)}


def shown_mask(configs: Configs, network: str, *, patch: int = 1) -> Literal["small", "folded"] | None:
    """How a network is shown the mask and the picture without what is drawn anew; None: it sees the sample alone.

    Args:
        configs: The model's.
        network: The network's folder.
        patch: See ``picture_tasks``.

    Returns:
        ``small``: the mask in the size of the sample, as one channel; ``folded``: all of its pixels, as channels.
    """
    latent, takes = configs.channels(), configs.of(network).values.get("in_channels")
    if takes == (2 * latent + 1) * patch**2:
        return "small"
    return "folded" if takes == (2 * latent + configs.vae_factor() ** 2) * patch**2 else None


def seen(configs: Configs, network: str, *, patch: int = 1) -> tuple[tuple[Part, ...], str]:
    """What a network sees of a sample: the parts that make it, and its name.

    Args:
        configs: The model's.
        network: The network's folder.
        patch: See ``picture_tasks``.
    """
    shown = shown_mask(configs, network, patch=patch)
    if shown is None:
        return (), "x"
    names = ("x", "unknown", "masked") if shown == "small" else ("x", "masked", "unknown")
    return (Join(names, "seen", 1),), "seen"


def _encoded(configs: Configs, pixels: str, to: str) -> tuple[Part, ...]:
    """A draw from the encoder's distribution; an ``AutoencoderTiny`` gives the latents themselves."""
    scaling, shift = configs.scaling()
    before = "" if pixels == "pixels" else f"{to}_"
    scaled = Affine(f"{before}encoded", to, minus=shift, times=scaling)
    if configs.tiny():
        takes = {"latent_sample": scaled.name}
        return Graph("vae_encoder", {"sample": pixels}, takes, tiled=True), scaled
    takes = {"latent_parameters": f"{before}moments"}
    encoder = Graph("vae_encoder", {"sample": pixels}, takes, tiled=True)
    return encoder, Gaussian(f"{before}moments", scaled.name), scaled


def picture_result(configs: Configs) -> tuple[Part, ...]:
    """Latents decoded, one picture at a time."""
    return _decoded(*configs.scaling(), role="vae_decoder")


def tiny_result(configs: Configs) -> tuple[Part, ...]:
    """The same by the small decoder, where the model has one."""
    return _decoded(*configs.scaling(TINY), role=TINY) if configs.has(TINY) else ()


def _decoded(scaling: float, shift: float, *, role: str) -> tuple[Part, ...]:
    return (
        Affine("x", "latents", over=scaling, plus=shift),
        Graph(role, {"latent_sample": "latents"}, {"sample": "pixels"}, alone=True, tiled=True),
        Pictures("pixels"),
    )
