"""How many steps and how much guidance a model wants, as far as its configs tell.

A model that was distilled to draw in few steps has the same modules as one that was not. Latent consistency models are
known by their pipeline, their sampler or their guidance embedding. Others (SD-Turbo, Lightning, Hyper-SD) can only be
suspected: they begin at the last timestep, so their sampler spaces timesteps ``trailing``. So do models that were not
distilled, but these predict v or have a schedule of zero signal-to-noise ratio, where the last timestep counts.
"""

from __future__ import annotations

from edgediff_runtimes.families.configs import Configs

_DISTILLED = (4, 1.0)  # guidance was distilled into the weights
_DISTILLED_SAMPLERS = ("LCMScheduler", "TCDScheduler")


def steps_and_guidance(
    configs: Configs, network: str, *, usual: tuple[int, float], embedded: tuple[int, float]
) -> tuple[int, float]:
    """Sampling steps and the scale of guidance.

    Args:
        configs: The model's.
        network: Its network's folder.
        usual: Of a model of its family that was not distilled.
        embedded: Of one whose guidance is an input of the network.
    """
    if configs.of(network).values.get("time_cond_proj_dim"):
        return embedded
    return _DISTILLED if _is_consistency_model(configs) else usual


def doubts(configs: Configs, network: str) -> str | None:
    """Why its configs do not tell whether the model was distilled; None where they do."""
    scheduler = configs.scheduler
    if configs.of(network).values.get("time_cond_proj_dim") or _is_consistency_model(configs):
        return None
    if scheduler.get("prediction_type", "epsilon") != "epsilon" or scheduler.get("rescale_betas_zero_snr"):
        return None
    if scheduler.get("timestep_spacing") != "trailing":
        return None
    return "its sampler spaces timesteps `trailing`, as do those of SD-Turbo and others that draw in few steps"


def _is_consistency_model(configs: Configs) -> bool:
    of_pipeline = configs.class_name.startswith("LatentConsistency")
    return of_pipeline or configs.scheduler.get("_class_name") in _DISTILLED_SAMPLERS
