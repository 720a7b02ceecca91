"""What those who trained a transformer call its layers, and what diffusers calls them.

Names and places are those of diffusers' own conversions of checkpoints (``loaders/single_file_utils.py``:
``convert_flux_transformer_checkpoint_to_diffusers`` and its neighbours). Lone checkpoints are read by these names, and
LoRAs that were trained on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Renamed:
    """A layer by its new names.

    Attributes:
        names: Of the layers that it is here, in the order of their rows.
        swapped: The second half of its rows stands first here.
    """

    names: tuple[str, ...]
    swapped: bool = False


@final
@dataclass(frozen=True, slots=True)
class OriginalNames:
    """Names of layers: patterns of the whole original name without ``.weight``, ``.bias`` or ``.scale``.

    Attributes:
        plain: New name by pattern.
        split: Layers that are several here, by pattern.
        swapped: As ``plain``; the second half of such a layer stands first here.
    """

    plain: Mapping[str, str]
    split: Mapping[str, tuple[str, ...]]
    swapped: Mapping[str, str]

    def find(self, layer: str) -> Renamed | None:
        """The new names of a layer; None where it is not of these."""
        if (names := _find(self.split, layer)) is not None:
            return Renamed(names)
        if (names := _find({old: (new,) for old, new in self.swapped.items()}, layer)) is not None:
            return Renamed(names, swapped=True)
        names = _find({old: (new,) for old, new in self.plain.items()}, layer)
        return None if names is None else Renamed(names)

    def flattened(self) -> OriginalNames:
        """The same for original names with underscores in place of dots."""

        def flat(pattern: str) -> str:
            return pattern.replace(r"\.", "_")

        return OriginalNames(
            {flat(old): new for old, new in self.plain.items()},
            {flat(old): new for old, new in self.split.items()},
            {flat(old): new for old, new in self.swapped.items()},
        )


def _find(table: Mapping[str, tuple[str, ...]], layer: str) -> tuple[str, ...] | None:
    for pattern, names in table.items():
        if (match := re.fullmatch(pattern, layer)) is not None:
            return tuple(match.expand(name) for name in names)
    return None


_EMBEDDERS = {"time": "timestep", "vector": "text", "guidance": "guidance"}
DOUBLE, SINGLE, JOINT = r"double_blocks\.(\d+)\.", r"single_blocks\.(\d+)\.", r"joint_blocks\.(\d+)\."
FLUX = OriginalNames(
    plain={
        "img_in": "x_embedder",
        "txt_in": "context_embedder",
        r"final_layer\.linear": "proj_out",
        **{
            rf"{old}_in\.{layer}_layer": f"time_text_embed.{new}_embedder.linear_{number}"
            for old, new in _EMBEDDERS.items()
            for number, layer in enumerate(("in", "out"), 1)
        },
        **{
            DOUBLE + old: rf"transformer_blocks.\1.{new}"
            for old, new in {
                r"img_mod\.lin": "norm1.linear",
                r"txt_mod\.lin": "norm1_context.linear",
                r"img_attn\.norm\.query_norm": "attn.norm_q",
                r"img_attn\.norm\.key_norm": "attn.norm_k",
                r"txt_attn\.norm\.query_norm": "attn.norm_added_q",
                r"txt_attn\.norm\.key_norm": "attn.norm_added_k",
                r"img_attn\.proj": "attn.to_out.0",
                r"txt_attn\.proj": "attn.to_add_out",
                r"img_mlp\.0": "ff.net.0.proj",
                r"img_mlp\.2": "ff.net.2",
                r"txt_mlp\.0": "ff_context.net.0.proj",
                r"txt_mlp\.2": "ff_context.net.2",
            }.items()
        },
        **{
            SINGLE + old: rf"single_transformer_blocks.\1.{new}"
            for old, new in {
                r"modulation\.lin": "norm.linear",
                r"norm\.query_norm": "attn.norm_q",
                r"norm\.key_norm": "attn.norm_k",
                "linear2": "proj_out",
            }.items()
        },
    },
    split={
        rf"{DOUBLE}img_attn\.qkv": tuple(rf"transformer_blocks.\1.attn.to_{one}" for one in "qkv"),
        rf"{DOUBLE}txt_attn\.qkv": tuple(rf"transformer_blocks.\1.attn.add_{one}_proj" for one in "qkv"),
        f"{SINGLE}linear1": (
            *(rf"single_transformer_blocks.\1.attn.to_{one}" for one in "qkv"),
            r"single_transformer_blocks.\1.proj_mlp",
        ),
    },
    swapped={r"final_layer\.adaLN_modulation\.1": "norm_out.linear"},
)


def stable_diffusion_3(layers: int) -> OriginalNames:
    """Of Stable Diffusion 3 and 3.5, with so many blocks.

    The last block only reads the text: its modulation of it is that of an output, of two parts.
    """
    last = layers - 1
    return OriginalNames(
        plain={
            "pos_embed": "pos_embed.pos_embed",
            r"x_embedder\.proj": "pos_embed.proj",
            r"t_embedder\.mlp\.0": "time_text_embed.timestep_embedder.linear_1",
            r"t_embedder\.mlp\.2": "time_text_embed.timestep_embedder.linear_2",
            r"y_embedder\.mlp\.0": "time_text_embed.text_embedder.linear_1",
            r"y_embedder\.mlp\.2": "time_text_embed.text_embedder.linear_2",
            r"final_layer\.linear": "proj_out",
            **{
                JOINT + old: rf"transformer_blocks.\1.{new}"
                for old, new in {
                    r"x_block\.adaLN_modulation\.1": "norm1.linear",
                    r"context_block\.adaLN_modulation\.1": "norm1_context.linear",
                    r"x_block\.(attn2?)\.ln_([qk])": r"\2.norm_\3",
                    r"context_block\.attn\.ln_([qk])": r"attn.norm_added_\2",
                    r"x_block\.(attn2?)\.proj": r"\2.to_out.0",
                    r"context_block\.attn\.proj": "attn.to_add_out",
                    r"x_block\.mlp\.fc1": "ff.net.0.proj",
                    r"x_block\.mlp\.fc2": "ff.net.2",
                    r"context_block\.mlp\.fc1": "ff_context.net.0.proj",
                    r"context_block\.mlp\.fc2": "ff_context.net.2",
                }.items()
            },
        },
        split={
            rf"{JOINT}x_block\.(attn2?)\.qkv": tuple(rf"transformer_blocks.\1.\2.to_{one}" for one in "qkv"),
            rf"{JOINT}context_block\.attn\.qkv": tuple(rf"transformer_blocks.\1.attn.add_{one}_proj" for one in "qkv"),
        },
        swapped={
            r"final_layer\.adaLN_modulation\.1": "norm_out.linear",
            rf"joint_blocks\.{last}\.context_block\.adaLN_modulation\.1": (
                f"transformer_blocks.{last}.norm1_context.linear"
            ),
        },
    )
