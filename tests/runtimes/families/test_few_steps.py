"""What configs tell of steps and guidance, family by family."""

from __future__ import annotations

import pytest

from edgediff_runtimes.families import FAMILIES, Configs

VAE = {"latent_channels": 4, "block_out_channels": [1, 1, 1, 1]}
TRAILING = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}


def told(name, *, scheduler, pipeline=None, **unet):
    family = next(family for family in FAMILIES if family.name == name)
    configs = Configs({"_class_name": pipeline or family.pipelines[0]}, {"unet": unet, "vae": VAE}, scheduler)
    defaults = family.defaults(configs)
    return (defaults.steps, defaults.guidance), family.doubts(configs)


@pytest.mark.parametrize(
    ("name", "usual", "embedded"),
    [("stable-diffusion", (20, 7.5), (4, 8.5)), ("stable-diffusion-xl", (30, 5.0), (4, 8.0))],
)
def test_configs_that_tell(name, usual, embedded):
    assert told(name, scheduler={"_class_name": "DDIMScheduler"}) == (usual, None)
    assert told(name, scheduler={"_class_name": "LCMScheduler"}) == ((4, 1.0), None)
    assert told(name, scheduler={"_class_name": "TCDScheduler", "timestep_spacing": "trailing"}) == ((4, 1.0), None)
    assert told(name, scheduler=TRAILING, time_cond_proj_dim=256) == (embedded, None)
    assert told(name, scheduler={**TRAILING, "prediction_type": "v_prediction"}) == (usual, None)
    assert told(name, scheduler={**TRAILING, "rescale_betas_zero_snr": True}) == (usual, None)


@pytest.mark.parametrize("name", ["stable-diffusion", "stable-diffusion-xl"])
def test_configs_that_do_not_tell(name):
    _, doubt = told(name, scheduler=TRAILING)
    assert "spaces timesteps `trailing`" in doubt


def test_the_pipeline_of_consistency_models_tells():
    pipeline = "LatentConsistencyModelPipeline"
    assert told("stable-diffusion", scheduler=TRAILING, pipeline=pipeline) == ((4, 1.0), None)
