"""Pictures as tokens and back, with the channels of a token's entries next to each other."""

from __future__ import annotations

import torch


def patches_of(sample: torch.Tensor, side: int) -> torch.Tensor:
    """``(batch, channels, height, width)`` to ``(batch, tokens, side * side * channels)``, row by row."""
    batch, channels, height, width = sample.shape
    rows, columns = height // side, width // side
    squares = sample.reshape(batch, channels, rows, side, columns, side).permute(0, 2, 4, 3, 5, 1)
    return squares.reshape(batch, rows * columns, side * side * channels)


def sample_of(tokens: torch.Tensor, like: torch.Tensor, side: int) -> torch.Tensor:
    """Tokens back to a sample of the height and width of another."""
    batch, _, height, width = like.shape
    squares = tokens.reshape(batch, height // side, width // side, side, side, -1).permute(0, 5, 1, 3, 2, 4)
    return squares.reshape(batch, -1, height, width)


def grid(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Row and column of each token: ``(tokens, 2)``, int64."""
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).flatten(0, 1)


def places_of(like: torch.Tensor, side: int) -> torch.Tensor:
    """Those of a sample's tokens, counted from zero."""
    return grid(torch.arange(like.shape[2] // side), torch.arange(like.shape[3] // side))
