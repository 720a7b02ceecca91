"""Muon: momentum, made orthogonal (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks").

Each weight matrix moves along the nearest semi-orthogonal matrix of its momentum, so no direction starves. The factor
0.2·sqrt(max(rows, columns)) gives the update the size that Adam's has (Liu et al. 2025, "Muon is scalable for LLM
training", eq. 4), so one learning rate serves both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
import torch.distributed as dist
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable

_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan's coefficients: fast, singular values end within about [0.7, 1.2]


def orthogonalise(matrix: Tensor, *, iterations: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly, by Newton-Schulz iterations in bfloat16.

    Args:
        matrix: (rows, columns).
        iterations: Five are enough for training.
    """
    a, b, c = _QUINTIC
    x: Tensor = matrix.to(torch.bfloat16)
    tall = x.size(0) > x.size(1)
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(matrix.dtype)


@final
class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal, for weights of two and more axes (a convolution is a matrix of its rows)."""

    def __init__(self, parameters: Iterable[Tensor], *, lr: float, momentum: float = 0.95) -> None:
        super().__init__(list(parameters), {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every weight once; `closure` is not supported."""
        del closure
        for group in self.param_groups:
            weights = group["params"]
            for weight, move in zip(weights, _shared(self._ahead(weights, group["momentum"])), strict=True):
                size = 0.2 * max(weight.flatten(1).shape) ** 0.5
                weight.add_(move.view_as(weight), alpha=-group["lr"] * size)

    def _ahead(self, weights: list[Tensor], momentum: float) -> list[Tensor]:
        """Nesterov's look-ahead gradients as matrices."""
        matrices = []
        for weight in weights:
            state = self.state[weight]
            if not state:
                state["momentum"] = torch.zeros_like(weight)
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            state["momentum"].lerp_(gradient, 1 - momentum)
            matrices.append(gradient.lerp(state["momentum"], momentum).flatten(1))
        return matrices


def _shared(matrices: list[Tensor]) -> list[Tensor]:
    """The matrices made orthogonal; each worker does its share of them and gets the others' results."""
    workers = dist.get_world_size() if dist.is_initialized() else 1
    if workers == 1:
        return [orthogonalise(matrix) for matrix in matrices]
    flat = torch.zeros(sum(matrix.numel() for matrix in matrices), dtype=torch.bfloat16, device=matrices[0].device)
    parts = torch.split(flat, [matrix.numel() for matrix in matrices])
    by_size = sorted(range(len(matrices)), key=lambda index: -matrices[index].numel())
    for index in by_size[dist.get_rank() :: workers]:
        parts[index].copy_(orthogonalise(matrices[index]).flatten())
    dist.all_reduce(flat)
    return [part.view(matrix.shape).to(matrix.dtype) for part, matrix in zip(parts, matrices, strict=True)]


def split(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Weights for Muon (matrices and convolutions inside the network) and for Adam (all others).

    Embeddings, first and last layers stay with Adam: their rows are words, colours and classes, not features.
    """
    outer = ("embedding", "conv_in", "conv_out", "head")
    inside: list[Tensor] = []
    rest: list[Tensor] = []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            (inside if weight.ndim >= 2 and not any(part in name for part in outer) else rest).append(weight)
    return inside, rest
