"""The settings of a run: what may be asked, how it is checked, what a run is fixed by."""

from __future__ import annotations

from edgediff_runtimes.settings.options import RANDOM_SEED, EncodeMode, Options, Settings

__all__ = ["RANDOM_SEED", "EncodeMode", "Options", "Settings"]
