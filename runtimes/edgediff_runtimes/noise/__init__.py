"""Random numbers for samplers: explicit, seeded, and equal to those of PyTorch where asked.

Seeds: one seed fixes a run; image ``i`` of a batch has seed ``seed + i`` (modulo 2^64), so that it can be redone alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.noise.blended import BlendedNoise, slerp
from edgediff_runtimes.noise.images import PerImageNoise
from edgediff_runtimes.noise.numpy_source import NumpyNoise
from edgediff_runtimes.noise.source import NoiseSource
from edgediff_runtimes.noise.torch_cpu import TorchCpuNoise
from edgediff_runtimes.noise.torch_cuda import TorchCudaNoise
from edgediff_runtimes.plain import as_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["NOISE_KINDS", "NoiseSource", "between", "image_seeds", "noise_source", "per_image", "slerp"]

_KINDS: dict[str, Callable[[int], NoiseSource]] = {
    "torch-cpu": TorchCpuNoise,
    "torch-cuda": TorchCudaNoise,
    "numpy": NumpyNoise,
}
NOISE_KINDS = tuple(_KINDS)
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1


def noise_source(seed: int, kind: str = "torch-cpu") -> NoiseSource:
    """A stream of random numbers that begins at ``seed``.

    Args:
        seed: -2^63 to 2^64 - 1, as PyTorch takes them; a negative one means its two's complement.
        kind: ``torch-cpu``: the numbers of ``torch.randn`` with a CPU generator (lower 32 bits of the seed);
            ``torch-cuda``: those with a CUDA generator; ``numpy``: NumPy's default generator.

    Raises:
        SettingError: the kind is unknown or the seed is not such an integer.
    """
    if kind not in _KINDS:
        raise SettingError("noise", got=kind, expected=f"one of {', '.join(NOISE_KINDS)}")
    return _KINDS[kind](_checked(seed))


def image_seeds(seed: int, images: int, *, setting: str = "seed") -> tuple[int, ...]:
    """The seeds of a batch of images: ``seed``, ``seed + 1`` ..., going round at 2^64.

    Raises:
        SettingError: the seed is not an integer that PyTorch would take.
    """
    first = _checked(seed, setting)
    return tuple((first + i) % 2**64 if first + i > _HIGHEST else first + i for i in range(images))


def per_image(sources: Sequence[NoiseSource]) -> NoiseSource:
    """One source for a batch: row ``i`` of every draw comes from ``sources[i]``.

    Raises:
        SettingError: there are no sources.
    """
    return PerImageNoise(sources)


def between(first: NoiseSource, second: NoiseSource, share: float) -> NoiseSource:
    """A source whose draws lie on the arc from those of one source to those of another, see ``slerp``.

    Args:
        first: For one picture; at a share of 0 it is given back.
        second: Likewise; at a share of 1.
        share: From 0 to 1.
    """
    if share in (0, 1):
        return second if share else first
    return BlendedNoise(first, second, share)


def _checked(seed: int, setting: str = "seed") -> int:
    whole = as_whole(seed)
    if whole is None or not _LOWEST <= whole <= _HIGHEST:
        raise SettingError(setting, got=seed, expected="a whole number from -2^63 to 2^64 - 1")
    return whole
