"""Stable Diffusion 1.x and 2.x (epsilon and v-prediction), LCM-distilled models, SD-Turbo, and InstructPix2Pix.

Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models". One text encoder, one U-Net with
cross-attention, one VAE. What the U-Net predicts is the scheduler's matter: the graph is the same.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Sines, called_by_name
from edgediff_exporters.families.fitting import check_colours
from edgediff_exporters.modules.text_encoders import clip_last
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families.latents import TINY

_FP32 = torch.float32
_TRAIN_TIMESTEPS = 1000

# Attention without text had other names before diffusers 0.17; SD1.x checkpoints and DDPM's still carry them.
_OLD_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}

_OTHER_CHANNELS = {
    5: "a depth-guided one",
    7: "an upscaler's",
    8: "one that edits pictures (InstructPix2Pix)",
}


def check_channels(
    source: Source,
    encoders: tuple[str, ...] = ("text_encoder",),
    *,
    network: str = "unet",
    width: str = "cross_attention_dim",
    edits: bool = False,
) -> None:
    """Whether the channels of U-Net, VAE and text encoders meet.

    Args:
        source: The source.
        encoders: The text encoders, whose states are side by side.
        network: The U-Net.
        width: The field of its config that says how wide the text is.
        edits: Whether it may take the latents of a picture beside those that it draws.

    Raises:
        SourceError: They do not.
    """
    unet, vae = source.config(network), source.config("vae")
    latent = vae.get("latent_channels", 4)
    takes, gives = unet.get("in_channels", 4), unet.get("out_channels", 4)
    # Beside its sample an inpainting one is shown the mask, and the picture without what is drawn anew.
    if takes not in (latent, 2 * latent + 1, *([2 * latent] if edits else [])) or gives != latent:
        kind = f", as {_OTHER_CHANNELS[takes]} does" if takes in _OTHER_CHANNELS else ""
        raise SourceError(
            f"the U-Net takes {takes} channels and gives {gives}{kind}: expected {latent}, the channels of its VAE's "
            "latents"
        )
    check_colours(source)
    sizes = [source.config(name).get("hidden_size") for name in encoders]
    given = " + ".join(map(str, sizes))
    if (wanted := unet.get(width)) != sum(size for size in sizes if isinstance(size, int)):
        raise SourceError(f"the U-Net's `{width}` is {wanted}: expected {given}, `hidden_size` of its text")


UNREAD = {
    "safety_checker": "it looks at pictures and does not draw",
    "feature_extractor": "it feeds the safety checker",
    "image_encoder": "it feeds an IP-Adapter, whose tensors would stand in the U-Net",
}
# Likewise, where the U-Net can be steered by a picture.
STEERED = {
    **UNREAD,
    "controlnet": "the bundle grows by it behind the model's own components",
    "adapter": "likewise",
}
CLIP_LEFTOVERS = {
    r"(^|\.)(logit_scale|text_projection(\.weight)?|attn_mask)$": "what CLIP compares texts and pictures with",
    r"^(vision_model|visual_projection)\.": "CLIP's other half, for pictures",
}
CHECKPOINT_LEFTOVERS = {
    r"^model_ema\.": "the running mean of training, a second copy of the U-Net",
    r"^(betas|alphas_cumprod|sqrt_|log_one_minus_|posterior_|lvlb_weights|logvar$|scale_factor$|denoiser\.)": (
        "the noise schedule, which the scheduler's config says"
    ),
    r"^(global_step|global_epoch|num_updates|decay)$": "counters of training",
    r"^first_stage_model\.(loss|model_ema)\.": "what the VAE was trained with",
    **CLIP_LEFTOVERS,
}
AUTOENCODERS = ("AutoencoderKL", "AutoencoderTiny")
TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast")
ADMITTED = Admitted(
    classes={
        "text_encoder": ("CLIPTextModel",),
        "tokenizer": TOKENIZERS,
        "unet": ("UNet2DConditionModel",),
        "vae": AUTOENCODERS,
    },
    unread=STEERED,
    leftovers={
        r"^cond_stage_model\.model\.transformer\.resblocks\.23\.": (
            "OpenCLIP's last layer: Stable Diffusion 2.x takes the one before"
        ),
        **CHECKPOINT_LEFTOVERS,
    },
    check=lambda source: check_channels(source, edits=True),
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Text encoder, U-Net, VAE decoder, VAE encoder."""
    vae = source.config("vae")
    return (
        clip_last("text_encoder", source.config("text_encoder"), every=True),
        unet(source.config("unet")),
        vae_decoder(vae),
        vae_encoder(vae),
    )


def _vae_factor(vae: Config) -> int:
    return int(2 ** (len(vae["block_out_channels"]) - 1))


def rename_attention(name: str) -> str:
    """A tensor's name as diffusers writes it today."""
    for old, new in _OLD_ATTENTION.items():
        name = name.replace(old, new)
    return name


def unet(config: Config, *, levels: int = 0) -> ComponentPlan:
    """The U-Net.

    Args:
        config: Its config.
        levels: How many levels of noise it is told of, as ``class_labels``; 0: of none.

    Raises:
        SourceError: It takes conditions of another model.
    """
    if config.get("addition_embed_type") not in (None, "text"):
        raise SourceError(
            f"the U-Net takes additional conditions (`addition_embed_type` is `{config['addition_embed_type']}`): "
            "expected a Stable Diffusion 1.x or 2.x U-Net"
        )
    inputs = [
        GraphInput("sample", _FP32, ("batch", config["in_channels"], "height", "width")),
        GraphInput("timestep", _FP32, (1,), scale=_TRAIN_TIMESTEPS, positive=True),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["cross_attention_dim"])),
    ]
    if config.get("time_cond_proj_dim"):
        inputs.append(GraphInput("timestep_cond", _FP32, ("batch", config["time_cond_proj_dim"])))
    if levels:
        inputs.append(GraphInput("class_labels", torch.int64, ("batch",), below=levels))

    # Odd sizes: at even ones diffusers takes a branch that is fixed in the graph and fails at every odd size.
    return ComponentPlan(
        role="unet",
        origin="unet",
        build=UNet2DConditionModel.from_config,
        forward=called_by_name(inputs),
        inputs=tuple(inputs),
        outputs=("out_sample",),
        traced={"batch": 2, "height": 9, "width": 15, "sequence": 7},
        checked={"batch": 3, "height": 16, "width": 12, "sequence": 5},
        sines=(Sines("time_proj", ("timestep",)),),
        rename=rename_attention,
    )


def _is_tiny(config: Config) -> bool:
    return bool(config.get("_class_name") == AutoencoderTiny.__name__)


def _build_vae(config: Config) -> torch.nn.Module:
    if _is_tiny(config):  # which writes `block_out_channels` into its config, and does not take it
        config = {name: value for name, value in config.items() if name != "block_out_channels"}
    module: torch.nn.Module = (AutoencoderTiny if _is_tiny(config) else AutoencoderKL).from_config(config)
    return module


def vae_decoder(config: Config) -> ComponentPlan:
    """The decoder of an ``AutoencoderKL`` or an ``AutoencoderTiny``."""
    return ComponentPlan(
        role="vae_decoder",
        origin="vae",
        build=_build_vae,
        forward=lambda module, latent_sample: module.decode(latent_sample, return_dict=False),
        inputs=(GraphInput("latent_sample", _FP32, ("batch", config["latent_channels"], "height", "width")),),
        outputs=("sample",),
        traced={"batch": 2, "height": 3, "width": 5},
        checked={"batch": 3, "height": 4, "width": 2},
        rename=rename_attention,
    )


def vae_encoder(config: Config) -> ComponentPlan:
    """The encoder of an ``AutoencoderKL``; or of an ``AutoencoderTiny``, which gives latents and no distribution."""
    factor, tiny = _vae_factor(config), _is_tiny(config)
    return ComponentPlan(
        role="vae_encoder",
        origin="vae",
        build=_build_vae,
        # Mean and log variance of the latent distribution, concatenated: the runtime samples or takes the mean.
        forward=lambda module, sample: (
            module.encode(sample).latents if tiny else module.encode(sample).latent_dist.parameters,
        ),
        inputs=(GraphInput("sample", _FP32, ("batch", config["in_channels"], "height", "width")),),
        outputs=("latent_sample" if tiny else "latent_parameters",),
        traced={"batch": 2, "height": 3 * factor, "width": 5 * factor},
        checked={"batch": 3, "height": 4 * factor, "width": 2 * factor},
        rename=rename_attention,
    )


def tiny_decoder(source: Source) -> ComponentPlan:
    """The decoder of an ``AutoencoderTiny`` that stands beside the model's own.

    Raises:
        SourceError: It is for other latents.
    """
    own, tiny = source.config("vae"), source.config(TINY)
    for got, wanted, what in (
        (tiny.get("latent_channels", 4), own.get("latent_channels", 4), "channels of latents"),
        (_vae_factor(tiny), _vae_factor(own), "pixels along one side of a latent pixel"),
    ):
        if got != wanted:
            raise SourceError(f"`{TINY}` has {got} {what}: expected {wanted}, as the model's own autoencoder has")
    return replace(vae_decoder(tiny), role=TINY, origin=TINY)
