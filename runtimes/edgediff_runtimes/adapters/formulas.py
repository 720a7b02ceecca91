"""What a layer of an adapter adds to a weight, in float32.

Weights are laid out as modules have them: (outputs, inputs) or (outputs, inputs, height, width).

- LoRA: B A (Hu et al. 2021, "LoRA", equation 3); of a convolution with the inner one as large as the layer's; with a
  middle (Tucker decomposition, LyCORIS) B M A, where M has the kernel.
- LoHa: (B1 A1) * (B2 A2), entry by entry (Hyeon-Woo et al. 2021, "FedPara", equation 3), or both with a middle.
- LoKr: the Kronecker product of two matrices, each whole or a product (LyCORIS: Yeh et al. 2023, section 3).
- ``diff``: the whole difference.

Each is scaled by alpha / rank, or alpha / sqrt(rank) where the file says so (rsLoRA, Kalajdzievski 2023), and by the
user's scale. With a magnitude m (DoRA: Liu et al. 2024, equation 5) the new weight is m (W + d) / |W + d|, the norm
being that of each output, or of each input where m lies so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from edgediff_runtimes.errors import AdapterError, shown
from edgediff_runtimes.tensors import Floats

Rows: TypeAlias = tuple[slice, ...]
_Product: TypeAlias = tuple[Callable[[], Floats], int | None]  # what makes a difference, and its rank
_MATRIX, _CONVOLUTION = 2, 4  # axes
# What each kind of layer must have, of what `names.SLOTS` has.
_NEEDED = (
    ("diff", ("diff",)),
    ("loha", ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")),
    ("lora", ("down", "up")),
)


@final
@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an adapter, its tensors read.

    Attributes:
        name: As the file calls it.
        pieces: Its tensors, by the slots of ``names``.
        alpha: What the rank is compared with; None: the rank itself.
        by_root: Divide alpha by the root of the rank.
        rows: Those outputs of it that are a weight's, in the weight's order; empty: all.
        whole: How many outputs it has; None: as many as the weight.
    """

    name: str
    pieces: Mapping[str, Floats]
    alpha: float | None = None
    by_root: bool = False
    rows: Rows = ()
    whole: int | None = None

    def difference(self, weight: Floats, scale: float) -> Floats:
        """What is added to a weight.

        Args:
            weight: The base's, as its module has it.
            scale: The user's.

        Raises:
            AdapterError: The layer does not fit the weight.
        """
        make, rank = self._product(self._whole(weight.shape))
        made, factor = make(), scale
        if rank is not None and self.alpha is not None:
            factor *= self.alpha / (math.sqrt(rank) if self.by_root else rank)
        made = (made * np.float32(factor)).reshape(weight.shape)
        magnitude = self.pieces.get("magnitude")
        return made if magnitude is None else self._with_magnitude(magnitude, weight, made)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse a weight's shape that it does not fit; no number is looked at.

        Raises:
            AdapterError: It does not fit.
        """
        self._product(self._whole(shape))
        if (magnitude := self.pieces.get("magnitude")) is not None:
            self._magnitude(magnitude, shape)

    def _whole(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a weight that has all the outputs."""
        return shape if self.whole is None else (self.whole, *shape[1:])

    def _cut(self, values: Floats) -> Floats:
        """The rows that are the weight's."""
        parts = [values[one] for one in self.rows]
        return values if not parts else np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _product(self, shape: tuple[int, ...]) -> _Product:
        for kind, needed in _NEEDED:
            if all(name in self.pieces for name in needed):
                return {"diff": self._diff, "loha": self._loha, "lora": self._lora}[kind](shape)
        if any(name.startswith("lokr_w1") for name in self.pieces):
            return self._lokr(shape)
        raise AdapterError(
            f"the layer `{shown(self.name)}` has {', '.join(sorted(self.pieces)) or 'nothing'}: expected the two "
            "matrices of a LoRA, LoHa or LoKr"
        )

    def _diff(self, shape: tuple[int, ...]) -> _Product:
        diff = self.pieces["diff"]
        self._check_size(diff.shape, shape)
        return lambda: self._cut(diff), None

    def _lora(self, shape: tuple[int, ...]) -> _Product:
        down, up = self.pieces["down"], self.pieces["up"]
        rank = self._rank(down, up, 1)
        outputs, inputs = up.reshape(-1, rank), down.reshape(rank, -1)
        middle = self.pieces.get("mid")
        if middle is None:
            self._check_size((up.shape[0], *down.shape[1:]), shape)
            return lambda: self._cut(outputs) @ inputs, rank
        self._check_middle(middle, rank)
        self._check_size((up.shape[0], down.shape[1], *middle.shape[2:]), shape)
        return lambda: _tucker(middle, self._cut(outputs), inputs), rank

    def _loha(self, shape: tuple[int, ...]) -> _Product:
        first, rank = self._pair("hada_w1", "hada_t1", shape)
        second, _ = self._pair("hada_w2", "hada_t2", shape)
        return lambda: self._cut(first().reshape(shape) * second().reshape(shape)), rank

    def _pair(self, name: str, middle_name: str, shape: tuple[int, ...] | None) -> _Product:
        """Two matrices, with a middle between them or not; ``shape``: what they must make, where that is known."""
        before, behind = self.pieces.get(f"{name}_a"), self.pieces.get(f"{name}_b")
        if before is None or behind is None:
            raise AdapterError(f"the layer `{shown(self.name)}` lacks one of two matrices: expected both")
        middle = self.pieces.get(middle_name)
        if middle is None:
            rank = self._rank(behind, before, 1)
            made = (before.shape[0], *behind.shape[1:])
            if shape is not None:
                self._check_size(made, shape)
            return lambda: (before.reshape(-1, rank) @ behind.reshape(rank, -1)).reshape(made), rank
        rank = self._rank(behind, before, 0)  # both are (rank, channels) then
        self._check_middle(middle, rank)
        if shape is not None:
            self._check_size((before.shape[1], behind.shape[1], *middle.shape[2:]), shape)
        return lambda: _tucker(middle, before.T, behind), rank

    def _lokr(self, shape: tuple[int, ...]) -> _Product:
        (first, one, rank), (second, other, second_rank) = self._factor("1"), self._factor("2")
        made = (one[0] * other[0], math.prod(one[1:]) * other[1], *other[2:])
        self._check_size(made, shape)

        def product() -> Floats:
            right = second().reshape(other)
            left = first().reshape(one[0], -1, *[1] * (right.ndim - _MATRIX))
            return self._cut(np.kron(left, right))

        return product, rank if second_rank is None else second_rank

    def _factor(self, number: str) -> tuple[Callable[[], Floats], tuple[int, ...], int | None]:
        """A factor of a Kronecker product, its shape, and its rank where it is a product itself."""
        name = f"lokr_w{number}"
        if (whole := self.pieces.get(name)) is not None:
            self._check_axes(whole)
            return lambda: whole, whole.shape, None
        make, rank = self._pair(name, "lokr_t2" if number == "2" else "", None)
        before, behind = self.pieces[f"{name}_a"], self.pieces[f"{name}_b"]
        middle = self.pieces.get("lokr_t2") if number == "2" else None
        if middle is None:
            return make, (before.shape[0], *behind.shape[1:]), rank
        return make, (before.shape[1], behind.shape[1], *middle.shape[2:]), rank

    def _check_middle(self, middle: Floats, rank: int) -> None:
        if middle.ndim != _CONVOLUTION or middle.shape[:2] != (rank, rank):
            raise self._misfit(f"a middle of {list(middle.shape)}", f"one of rank {rank} on both sides")

    def _with_magnitude(self, magnitude: Floats, weight: Floats, made: Floats) -> Floats:
        changed = weight + made
        axes, beside = self._magnitude(magnitude, weight.shape)
        norm = np.sqrt(np.square(changed).sum(axes, keepdims=True))
        scaled: Floats = changed * (beside / np.maximum(norm, np.finfo(np.float32).tiny))
        return scaled - weight

    def _magnitude(self, magnitude: Floats, shape: tuple[int, ...]) -> tuple[tuple[int, ...], Floats]:
        """The axes that the norm goes over, and the magnitude shaped as it stands beside the weight."""
        ones, outputs = [1] * (len(shape) - 1), self._whole(shape)[0]
        if magnitude.size == outputs and (magnitude.ndim < _MATRIX or magnitude.shape[0] == magnitude.size):
            return tuple(range(1, len(shape))), self._cut(magnitude.reshape(-1, *ones))
        # The norm of an input is that of all outputs, of which a part is not enough.
        if len(shape) > 1 and magnitude.size == shape[1] and self.whole is None:
            return (0, *range(2, len(shape))), magnitude.reshape(1, -1, *ones[1:])
        raise self._misfit(f"a magnitude of {list(magnitude.shape)}", f"a number for each of {outputs} outputs")

    def _rank(self, inner: Floats, outer: Floats, axis: int) -> int:
        """The inner length of a product, which both must have."""
        self._check_axes(inner)
        self._check_axes(outer)
        one, other = int(inner.shape[0]), int(outer.shape[axis])
        if one != other or one < 1:
            raise self._misfit(f"matrices of rank {one} and {other}", "one rank of at least 1")
        return one

    def _check_axes(self, piece: Floats) -> None:
        if not _MATRIX <= piece.ndim <= _CONVOLUTION:
            raise self._misfit(f"a piece of {list(piece.shape)}", "a matrix, or the kernel of a convolution")

    def _check_size(self, got: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """A linear layer and a convolution of one pixel are the same; all else must be equal."""
        if (got[:1], math.prod(got[1:])) != (shape[:1], math.prod(shape[1:])):
            raise self._misfit(f"a difference of {list(got)}", f"{list(shape)}, which the model's weight has")

    def _misfit(self, got: str, expected: str) -> AdapterError:
        return AdapterError(f"the layer `{shown(self.name)}` has {got}: expected {expected}")


def _tucker(middle: Floats, outputs: Floats, inputs: Floats) -> Floats:
    """B M A: (outputs, rank), (rank, rank, height, width), (rank, inputs)."""
    made: Floats = np.einsum("or,rshw,si->oihw", outputs, middle, inputs, optimize=True)
    return made
