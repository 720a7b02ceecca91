"""Rotary positions, from real tables where diffusers has complex ones, which a graph cannot look up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from diffusers.models.attention_processor import Attention


@final
class RotaryTables(torch.nn.Module):
    """Cosines and sines of places, looked up. They stay in float32 where the module around them computes in float16.

    Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding", eq. 15.
    """

    def __init__(
        self, dims: Sequence[int], places: Sequence[torch.Tensor], theta: float, *, dtype: torch.dtype = torch.float64
    ) -> None:
        """Make the tables.

        Args:
            dims: Channels that are turned for each axis, in pairs.
            places: The places of each axis that can be looked up.
            theta: The longest wave is about 2π times this.
            dtype: What angles are computed in; they are then rounded to float32.
        """
        super().__init__()
        for axis, (dim, positions) in enumerate(zip(dims, places, strict=True)):
            rates = 1.0 / theta ** (torch.arange(0, dim, 2, dtype=dtype) / dim)
            angles = torch.outer(positions.to(dtype), rates).float()
            self.register_buffer(f"axis_{axis}", torch.stack([angles.cos(), angles.sin()], -1), persistent=False)

    def forward(self, indices: torch.Tensor) -> torch.Tensor:
        """Cosine and sine of each pair of channels of each token, ``(..., sum of dim / 2, 2)``.

        Args:
            indices: Which of the places, ``(..., axes)``, int64.
        """
        tables = enumerate(self.buffers())
        return torch.cat([table[indices[..., axis]] for axis, table in tables], dim=-2)

    def _apply(self, fn: Any, recurse: bool = True) -> RotaryTables:  # noqa: ANN401, ARG002, FBT001, FBT002 - torch's signature
        return self


def turned(heads: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Queries or keys ``(batch, tokens, heads, dim)``, each pair of their channels turned by ``RotaryTables``."""
    cos, sin = by.unsqueeze(-3).unbind(-1)
    first, second = heads.float().reshape(*heads.shape[:-1], -1, 2).unbind(-1)
    return torch.stack([first * cos - second * sin, first * sin + second * cos], -1).flatten(-2).type_as(heads)


@final
class RotaryAttention:
    """Attention of one stream of tokens among themselves, as several transformers of diffusers have it."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,  # noqa: ARG002 - the same tokens
        attention_mask: torch.Tensor | None = None,
        freqs_cis: torch.Tensor | None = None,
        image_rotary_emb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Attend.

        Args:
            attn: Projections and norms.
            hidden_states: ``(batch, tokens, channels)``.
            encoder_hidden_states: Those again, where a block says what is attended to.
            attention_mask: ``(batch, tokens)``, whole numbers or booleans: what may be seen; None: all.
            freqs_cis: Cosines and sines, see ``RotaryTables``; some blocks call it so,
            image_rotary_emb: and others so.
        """
        by = freqs_cis if image_rotary_emb is None else image_rotary_emb
        assert by is not None  # noqa: S101 - one of both is there
        size = attn.inner_dim // attn.heads
        query, key, value = (
            layer(hidden_states).unflatten(-1, (-1, size)) for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        query, key = turned(attn.norm_q(query), by), turned(attn.norm_k(key), by)
        repeats = query.shape[2] // key.shape[2]
        key, value = (heads.repeat_interleave(repeats, 2) if repeats > 1 else heads for heads in (key, value))
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None]
        seen = torch.nn.functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask, scale=attn.scale
        )
        out: torch.Tensor = attn.to_out[0](seen.transpose(1, 2).flatten(2))
        return out


def with_rotary_attention(module: torch.nn.Module) -> None:
    """Let all attention of a transformer take real turns, in place."""
    for part in module.modules():
        if isinstance(part, Attention):
            part.set_processor(RotaryAttention())


def _table(dim: int, length: int, theta: float) -> torch.Tensor:
    frequencies = 1.0 / theta ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), frequencies).float()
    return torch.stack([angles.cos(), angles.sin()], -1)
