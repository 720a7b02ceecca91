"""Where a layer of an adapter goes: mostly to one parameter, of the first publishers' names also to several.

A transformer's first publishers keep queries, keys and values in one matrix where diffusers has three, so that an
adapter's layer is cut by its outputs: rows of ``B A`` are rows of ``B``. What such a layer's matrices have in common
stays whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, final

from edgediff_runtimes.adapters.formulas import Rows
from edgediff_runtimes.adapters.names import count_blocks, names_of, plain
from edgediff_runtimes.weights.original_names import DOUBLE, FLUX, SINGLE, OriginalNames, Renamed, stable_diffusion_3

_STREAMS: Final = {"1": "to_{}", "2": "add_{}_proj"}  # a picture's, and the text's
# As the trainer of X-Labs calls them, behind `processor.`.
_X_LABS: Final = OriginalNames(
    plain={
        f"{DOUBLE}proj_lora1": r"transformer_blocks.\1.attn.to_out.0",
        f"{DOUBLE}proj_lora2": r"transformer_blocks.\1.attn.to_add_out",
        f"{SINGLE}proj": r"single_transformer_blocks.\1.proj_out",
    },
    split={
        **{
            f"{DOUBLE}qkv_lora{stream}": tuple(rf"transformer_blocks.\1.attn.{name.format(one)}" for one in "qkv")
            for stream, name in _STREAMS.items()
        },
        f"{SINGLE}qkv": tuple(rf"single_transformer_blocks.\1.attn.to_{one}" for one in "qkv"),
    },
    swapped={},
)
_MLPS: Final = {"img": "ff", "txt": "ff_context"}
_FLUX_2: Final = OriginalNames(
    plain={
        **{
            rf"{DOUBLE}{stream}_mlp\.{number}": rf"transformer_blocks.\1.{name}.linear_{end}"
            for stream, name in _MLPS.items()
            for number, end in (("0", "in"), ("2", "out"))
        },
        f"{SINGLE}linear1": r"single_transformer_blocks.\1.attn.to_qkv_mlp_proj",
        f"{SINGLE}linear2": r"single_transformer_blocks.\1.attn.to_out",
        **{
            rf"{old}_in\.{layer}_layer": f"time_guidance_embed.{new}_embedder.linear_{number}"
            for old, new in (("time", "timestep"), ("guidance", "guidance"))
            for number, layer in enumerate(("in", "out"), 1)
        },
        r"(single_stream_modulation|double_stream_modulation_(?:img|txt))\.lin": r"\1.linear",
    },
    split={},
    swapped={},
)  # the rest is as of FLUX.1
_BLOCKS: Final = r"(layers|noise_refiner|context_refiner)\.(\d+)\."
_LUMINA_2: Final = OriginalNames(
    plain={
        rf"{_BLOCKS}attention\.out": r"\1.\2.attn.to_out.0",
        rf"{_BLOCKS}feed_forward\.w([123])": r"\1.\2.feed_forward.linear_\3",
        rf"{_BLOCKS}adaLN_modulation\.1": r"\1.\2.norm1.linear",
    },
    split={rf"{_BLOCKS}attention\.qkv": tuple(rf"\1.\2.attn.to_{one}" for one in "qkv")},
    swapped={},
)
_Z_IMAGE: Final = OriginalNames(
    plain={rf"{_BLOCKS}attention\.out": r"\1.\2.attention.to_out.0"},
    split={rf"{_BLOCKS}attention\.qkv": tuple(rf"\1.\2.attention.to_{one}" for one in "qkv")},
    swapped={},
)


@final
@dataclass(frozen=True, slots=True)
class Place:
    """What a layer of an adapter changes.

    Attributes:
        parameter: Which.
        rows: Those of the layer that are the parameter's, in the parameter's order; empty: all.
        whole: How many rows the layer has; None: as many as the parameter.
    """

    parameter: str
    rows: Rows = ()
    whole: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Places:
    """The layers of one component, by all the names that adapters have for them.

    Attributes:
        shapes: Of its parameters, by name.
        names: The parameters by names of layers, see ``names.names_of``.
        originals: What first publishers call its layers.
    """

    shapes: Mapping[str, tuple[int, ...]]
    names: Mapping[str, str]
    originals: tuple[OriginalNames, ...]

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> Places:
        """Of a component whose parameters have these shapes."""
        third = stable_diffusion_3(count_blocks(shapes, "transformer_blocks"))
        tables = (FLUX, third, _FLUX_2, _LUMINA_2, _Z_IMAGE, _X_LABS)
        return cls(shapes, names_of(shapes), tuple(table.flattened() for table in tables))

    def find(self, layer: str) -> tuple[Place, ...]:
        """What a layer changes; nothing where the component has no such layer.

        Args:
            layer: As ``names.component_of`` gives it.
        """
        if (parameter := self.names.get(layer)) is not None:
            return (Place(parameter),)
        for renamed in self._renamed(layer):
            parameters = [self.names.get(plain(name)) for name in renamed.names]
            known = [parameter for parameter in parameters if parameter is not None]
            if len(known) == len(parameters):
                return tuple(self._cut(known, swapped=renamed.swapped))
        return ()

    def _renamed(self, layer: str) -> Iterator[Renamed]:
        for table in self.originals:
            if (renamed := table.find(layer)) is not None:
                yield renamed

    def _cut(self, parameters: list[str], *, swapped: bool) -> Iterator[Place]:
        whole = sum(self.shapes[parameter][0] for parameter in parameters)
        if swapped:
            half = whole // 2
            yield Place(parameters[0], (slice(half, None), slice(half)), whole)
        elif len(parameters) == 1:
            yield Place(parameters[0])
        else:
            begin = 0
            for parameter in parameters:
                end = begin + self.shapes[parameter][0]
                yield Place(parameter, (slice(begin, end),), whole)
                begin = end
