"""What families share whose networks see a picture of the caller's beside what they draw."""

from __future__ import annotations

from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.recipe.declarations import Affine, Cut, Graph, Join, Noise, Patches, Picture, Repeat
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance

TASK = "edit"
_SCALE = "image_guidance"


def edits(configs: Configs, network: str) -> bool:
    """Whether a U-Net takes the latents of a picture beside those that it draws, as InstructPix2Pix's does."""
    return configs.of(network).values.get("in_channels") == 2 * configs.channels()


def edit_tasks(configs: Configs, *, scaling: float = 1.0) -> dict[str, tuple[Part, ...]]:
    """From a picture, whose latents are ``reference``, and from noise.

    Args:
        configs: The model's.
        scaling: What the latents are multiplied by; InstructPix2Pix was taught with those that the encoder gives.
    """
    scaled = Affine("mode", "latents", times=scaling)
    return {TASK: (Picture("image", "pixels"), *encoded_mode(configs), scaled, Repeat("latents", "reference"), Noise())}


def encoded_mode(configs: Configs) -> tuple[Part, ...]:
    """The mean of the encoder's distribution, as ``mode``; an ``AutoencoderTiny`` gives latents and no distribution."""
    if configs.tiny():
        return (Graph("vae_encoder", {"sample": "pixels"}, {"latent_sample": "mode"}, tiled=True),)
    return (
        Graph("vae_encoder", {"sample": "pixels"}, {"latent_parameters": "moments"}, tiled=True),
        Cut("moments", "mode", axis=1, entries=configs.channels()),
    )


def beside(network: Graph) -> tuple[Part, ...]:
    """A U-Net that is fed ``reference`` behind the channels of the sample."""
    feeds = {name: "joined" if value == "x" else value for name, value in network.feeds.items()}
    return Join(("x", "reference"), "joined", 1), Graph(network.role, feeds, network.takes)


def without_tokens(patch: int) -> tuple[Part, ...]:
    """From noise alone: no tokens are ``reference``, and ``places`` are those of what is drawn, ``own_places``.

    Args:
        patch: Entries along one side of a token.
    """
    noise_tokens = Patches("noise", "noise_tokens", patch)
    return Noise(), noise_tokens, Cut("noise_tokens", "reference", 1, entries=0), Affine("own_places", "places")


def beside_tokens(network: Graph) -> tuple[Part, ...]:
    """A transformer that is fed ``reference`` behind its ``tokens``, of whose answer those behind are left out."""
    feeds = {name: "all_tokens" if value == "tokens" else value for name, value in network.feeds.items()}
    ((output, answer),) = network.takes.items()
    return (
        Join(("tokens", "reference"), "all_tokens", 1),
        Graph(network.role, feeds, {output: "answers"}),
        Cut("answers", answer, 1, like="tokens"),
    )


def edit_guidance(*, zeros: tuple[str, ...] = ()) -> Guidance:
    """Guidance by the text and, with a scale of its own, by the picture."""
    return Guidance(zeros=zeros, picture_scale=_SCALE, pictures=("reference",))
