"""What families share that draw pictures in the latents of an ``AutoencoderKL`` or ``AutoencoderTiny``."""

from __future__ import annotations

from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.recipe.declarations import Affine, Gaussian, Graph, Noise, Picture, Pictures
from edgediff_runtimes.recipe.part import Part

TASKS = ("text-to-image", "image-to-image")
# The folder of an ``AutoencoderTiny`` that a model has beside its own autoencoder; of it the decoder alone is read.
TINY = "tiny_decoder"


def picture_tasks(configs: Configs) -> dict[str, tuple[Part, ...]]:
    """From noise; or from a picture, whose latents are drawn before the noise."""
    scaling, shift = configs.scaling()
    from_picture = (
        Picture("image", "pixels"),
        *_encoded(configs),
        Affine("encoded", "start", minus=shift, times=scaling),
        Noise(),
    )
    return dict(zip(TASKS, ((Noise(),), from_picture), strict=True))


def _encoded(configs: Configs) -> tuple[Part, ...]:
    """A draw from the encoder's distribution; an ``AutoencoderTiny`` gives the latents themselves."""
    if configs.tiny():
        return (Graph("vae_encoder", {"sample": "pixels"}, {"latent_sample": "encoded"}, tiled=True),)
    return (
        Graph("vae_encoder", {"sample": "pixels"}, {"latent_parameters": "moments"}, tiled=True),
        Gaussian("moments", "encoded"),
    )


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
