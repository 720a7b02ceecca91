"""What a plan must keep to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.plain import BYTES_EXPECTED, SECONDS_EXPECTED, as_bytes, as_finite, as_seconds, as_whole

Preference: TypeAlias = Literal["quality", "time", "memory"]
PREFERENCES: tuple[Preference, ...] = ("quality", "time", "memory")


@final
@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of a plan; None where there is none.

    Attributes:
        memory: Most bytes of private memory, at the peak.
        latency: Most seconds of a picture, from a pipeline that has loaded nothing.
        min_psnr: Least mean PSNR in dB against what fp32 draws, as it was measured.
        prefer: What is best among the plans that keep to these.
    """

    memory: int | None = None
    latency: float | None = None
    min_psnr: float | None = None
    prefer: Preference = "quality"

    @classmethod
    def read(
        cls, *, memory: int | str | None, latency: float | str | None, min_psnr: float | None, prefer: str | None
    ) -> Budget:
        """The budget that a caller asks for; by default it prefers the first of its preferences without a limit.

        Raises:
            SettingError: A limit is no amount of its kind.
        """
        limits = {"quality": min_psnr, "time": latency, "memory": memory}
        chosen = prefer or next((name for name, limit in limits.items() if limit is None), "time")
        if chosen not in PREFERENCES:
            raise SettingError("prefer", got=chosen, expected=f"one of {', '.join(PREFERENCES)}")
        quality = None if min_psnr is None else as_finite(min_psnr)
        if min_psnr is not None and quality is None:
            raise SettingError("min_psnr", got=min_psnr, expected="a number of dB")
        return cls(_memory(memory), _latency(latency), quality, chosen)


def _memory(given: int | str | None) -> int | None:
    count = as_bytes(given) if isinstance(given, str) else as_whole(given)
    if given is not None and (count is None or count < 1):
        raise SettingError("memory", got=given, expected=BYTES_EXPECTED)
    return count


def _latency(given: float | str | None) -> float | None:
    seconds = as_seconds(given) if isinstance(given, str) else as_finite(given)
    if given is not None and (seconds is None or seconds <= 0):
        raise SettingError("latency", got=given, expected=SECONDS_EXPECTED)
    return seconds
