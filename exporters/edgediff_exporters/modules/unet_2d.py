"""``UNet2DModel``: the U-Net of models that draw without text, over the pixels of a picture."""

from __future__ import annotations

import torch
from diffusers import UNet2DModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs, Sines
from edgediff_exporters.families.stable_diffusion import rename_attention
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError

_FP32 = torch.float32
_TIMES = ("positional", "fourier")


def unet_2d(source: Source, *, most: float = 1000.0) -> ComponentPlan:
    """The plan of its graph.

    Args:
        source: The model.
        most: The graph is checked with time steps from 0 to this.
    """
    config = source.config("unet")
    inputs = [
        GraphInput("sample", _FP32, ("batch", config["in_channels"], "height", "width")),
        GraphInput("timestep", _FP32, (1,), scale=most, positive=True),
    ]
    if config.get("num_class_embeds") is not None:
        inputs.append(GraphInput("class_labels", torch.int64, ("batch",), below=config["num_class_embeds"]))

    def forward(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        sample, timestep, *labels = tensors
        out: Outputs = module(sample, timestep, class_labels=labels[0] if labels else None, return_dict=False)
        return out

    # Every block but the last halves the picture, and the module cannot put odd halves together again.
    multiple = 2 ** (len(config["block_out_channels"]) - 1)
    return ComponentPlan(
        role="unet",
        origin="unet",
        build=UNet2DModel.from_config,
        forward=forward,
        inputs=tuple(inputs),
        outputs=("out_sample",),
        traced={"batch": 2, "height": 3 * multiple, "width": 5 * multiple},
        checked={"batch": 3, "height": 4 * multiple, "width": 6 * multiple},
        sines=(Sines("time_proj", ("timestep",)),),
        rename=rename_attention,
    )


def _check(source: Source) -> None:
    config: Config = source.config("unet")
    takes, gives = config.get("in_channels", 3), config.get("out_channels", 3)
    if gives not in (takes, 2 * takes):
        raise SourceError(f"the U-Net takes {takes} channels and gives {gives}: expected as many, or twice as many")
    if (kind := config.get("class_embed_type")) is not None:
        raise SourceError(f"the U-Net's `class_embed_type` is `{kind}`: expected null, for labels that are numbers")
    if (kind := config.get("time_embedding_type", _TIMES[0])) not in _TIMES:
        raise SourceError(f"the U-Net's `time_embedding_type` is `{kind}`: expected {' or '.join(_TIMES)}")


ADMITTED = Admitted(classes={"unet": ("UNet2DModel",)}, check=_check)
