"""DiT: its two graphs.

Peebles and Xie 2023, "Scalable Diffusion Models with Transformers".
"""

from __future__ import annotations

import torch
from diffusers import DiTTransformer2DModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs, Sines
from edgediff_exporters.families.fitting import check_latents
from edgediff_exporters.families.stable_diffusion import vae_decoder
from edgediff_exporters.sources.base import Source

_TRAIN_TIMESTEPS = 1000


ADMITTED = Admitted(
    # The published ones were written before the transformer had a class of its own.
    classes={"transformer": ("DiTTransformer2DModel", "Transformer2DModel"), "vae": ("AutoencoderKL",)},
    check=lambda source: check_latents(source, learned=True),
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Transformer, VAE decoder."""
    return _transformer(source.config("transformer")), vae_decoder(source.config("vae"))


def _transformer(config: Config) -> ComponentPlan:
    side = config["sample_size"]

    def forward(module: torch.nn.Module, sample: torch.Tensor, timestep: torch.Tensor, labels: torch.Tensor) -> Outputs:
        out: Outputs = module(sample, timestep=timestep.expand(sample.shape[0]), class_labels=labels, return_dict=False)
        return out

    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=DiTTransformer2DModel.from_config,
        forward=forward,
        inputs=(
            # One size: positions are a table made for it, and the module takes every picture for a square one.
            GraphInput("hidden_states", torch.float32, ("batch", config["in_channels"], side, side)),
            GraphInput("timestep", torch.float32, (1,), scale=_TRAIN_TIMESTEPS, positive=True),
            # Behind the classes stands the row of no class, which guidance asks for.
            GraphInput("class_labels", torch.int64, ("batch",), below=config["num_embeds_ada_norm"] + 1),
        ),
        outputs=("out_hidden_states",),
        traced={"batch": 2},
        checked={"batch": 3},
        # The first block's is asked once more, at the end.
        sines=(Sines("norm1.emb.time_proj", ("timestep", "timestep")),),
    )
