"""What a bundle proves of reuse in a run: asked by a plan as it is made, and again before it is drawn with."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from edgediff_runtimes.bundle import Manifest, ProvedReuse
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.running.reusing import reuse_of
from edgediff_runtimes.running.schedules import sampler_for
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.settings.options import Reuse


def proof_of(manifest: Manifest, settings: Settings, reuse: Reuse) -> ProvedReuse | None:
    """What was measured of a schedule in such a run; None where nothing was.

    Args:
        manifest: Of a bundle of one stage.
        settings: Of the run.
        reuse: Network calls that are made, or the orders of a schedule.
    """
    sampler = sampler_for(manifest.recipe.first, settings, manifest.scheduler)
    with contextlib.suppress(SettingError):  # not this model, this sampler, or so few calls
        found = reuse_of(manifest, replace(settings, reuse=reuse), [sampler], strict=False)
        return None if found is None else found.proof
    return None
