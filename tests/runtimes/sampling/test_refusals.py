"""Settings that cannot be applied are refused in one sentence that says what would work."""

from __future__ import annotations

import math

import pytest

from edgediff_runtimes.errors import SamplerError, SettingError
from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.sampling import build_sampler, sampler_config

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
EULER = {"_class_name": "EulerDiscreteScheduler", **SD}
DPM = {"_class_name": "DPMSolverMultistepScheduler", **SD}
LCM = {"_class_name": "LCMScheduler"}
HELIOS = {"_class_name": "HeliosScheduler", "stages": 1}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}

REFUSED = [
    ("unknown class", {"_class_name": "EulerDiskreteScheduler"}, {"steps": 4}, "EulerDiscreteScheduler"),
    ("no class", {}, {"steps": 4}, "_class_name"),
    ("unknown keyword", EULER, {"steps": 4, "use_karas_sigmas": True}, "use_karras_sigmas"),
    ("foreign keyword", EULER, {"steps": 4, "solver_order": 2}, "solver_order"),
    (
        "a grid that DDIM lacks",
        {"_class_name": "DDIMScheduler"},
        {"steps": 4, "use_karras_sigmas": True},
        "euler_karras",
    ),
    ("text for a number", EULER, {"steps": 4, "beta_start": "x"}, "`beta_start` is 'x': expected a number"),
    ("number for a switch", EULER, {"steps": 4, "use_karras_sigmas": 1}, "true or false"),
    ("part of a step", EULER, {"steps": 4, "steps_offset": 1.5}, "a whole number"),
    ("number for a text", EULER, {"steps": 4, "timestep_spacing": 3}, "a text"),
    ("text for eta", {"_class_name": "DDIMScheduler"}, {"steps": 4, "eta": "y"}, "expected a number"),
    ("no steps", EULER, {}, "whole number"),
    ("no step", EULER, {"steps": 0}, "at least 1"),
    ("steps as text", EULER, {"steps": "10"}, "whole number"),
    ("too many steps", {"_class_name": "DDIMScheduler"}, {"steps": 1001}, "at most 1000"),
    ("order 3 in 2 steps", DPM, {"steps": 2, "solver_order": 3}, "solver_order=2"),
    ("a strength that leaves too few steps", LCM, {"steps": 4, "strength": 0.06}, "at least 0.08"),
    ("strength beside timesteps", LCM, {"timesteps": [999, 499], "strength": 0.5}, "custom timesteps"),
    ("no strength", LCM, {"steps": 4, "strength": 0.0}, "above 0"),
    ("strength of another class", EULER, {"steps": 4, "strength": 0.5}, "a setting of EulerDiscreteScheduler"),
    ("bh1 from pure noise", HELIOS, {"steps": 4, "solver_type": "bh1"}, "bh2"),
    ("timesteps and sigmas", EULER, {"timesteps": [999, 1], "sigmas": [14.0, 1.0, 0.0]}, "one of the two"),
    ("rising timesteps", {"_class_name": "DDPMScheduler"}, {"timesteps": [10, 20]}, "fall"),
    ("rising sigmas", EULER, {"sigmas": [1.0, 2.0]}, "fall"),
    ("timesteps beside a grid", EULER, {"timesteps": [999, 1], "use_karras_sigmas": True}, "custom timesteps"),
    ("two grids", EULER, {"steps": 4, "use_karras_sigmas": True, "use_beta_sigmas": True}, "at most one grid"),
    ("steps beside other timesteps", EULER, {"steps": 3, "timesteps": [999, 1]}, "2, one for each"),
    ("timesteps where none are taken", {"_class_name": "DDIMScheduler"}, {"timesteps": [999, 1]}, "does not take"),
    ("eta where none is taken", EULER, {"steps": 4, "eta": 0.5}, "eta"),
    ("eta out of range", {"_class_name": "DDIMScheduler"}, {"steps": 4, "eta": 1.5}, "0 to 1"),
    ("unknown spacing", EULER, {"steps": 4, "timestep_spacing": "even"}, "leading"),
    ("unknown betas", EULER, {"steps": 4, "beta_schedule": "cubic"}, "scaled_linear"),
    ("unknown prediction", EULER, {"steps": 4, "prediction_type": "score"}, "epsilon"),
    ("flow model in an epsilon sampler", EULER, {"steps": 4, "prediction_type": "flow_prediction"}, "flow_euler"),
    ("flow prediction without flow levels", DPM, {"steps": 4, "prediction_type": "flow_prediction"}, "use_flow_sigmas"),
    ("noise down to sigma 0", DPM, {"steps": 4, "algorithm_type": "dpmsolver"}, "sigma_min"),
    ("mu without dynamic shift", FLOW, {"steps": 4, "mu": 0.5}, "use_dynamic_shifting"),
    ("dynamic shift without mu", FLOW, {"steps": 4, "use_dynamic_shifting": True}, "`mu`"),
    (
        "epsilon at zero SNR",
        {"_class_name": "DDIMScheduler", **SD},
        {"steps": 4, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
        "v-prediction",
    ),
    ("offset above the schedule", {"_class_name": "DDIMScheduler"}, {"steps": 1000, "steps_offset": 1}, "steps_offset"),
    ("repaint without a picture", {"_class_name": "RePaintScheduler"}, {"steps": 4}, "original_image"),
    ("tokens without a mask", {"_class_name": "AmusedScheduler"}, {"steps": 4}, "mask_token_id"),
    ("two grids of DPM++", DPM, {"steps": 4, "use_lu_lambdas": True, "use_beta_sigmas": True}, "at most one grid"),
    (
        "noise on the way up",
        {**DPM, "prediction_type": "flow_prediction", "use_flow_sigmas": True},
        {"steps": 50, "algorithm_type": "sde-dpmsolver++", "final_sigmas_type": "sigma_min"},
        "final_sigmas_type=zero",
    ),
    ("a grid on flow levels", DPM, {"steps": 4, "use_flow_sigmas": True, "use_karras_sigmas": True}, "above 1"),
    (
        "UniPC's noise down to sigma 0",
        {"_class_name": "UniPCMultistepScheduler"},
        {"steps": 4, "predict_x0": False},
        "final_sigmas_type=sigma_min",
    ),
    (
        "clean prediction at the clean level",
        {"_class_name": "DDIMInverseScheduler"},
        {"steps": 4, "prediction_type": "sample"},
        "set_alpha_to_one=False",
    ),
    ("one stretched step", FLOW, {"steps": 1, "shift_terminal": 0.1, "shift": 1.0}, "at least 2 steps"),
    ("unknown grid", EULER, {"steps": 4, "grid": "zigzag"}, "sgm_uniform"),
    ("grid where none is taken", {"_class_name": "DDIMScheduler"}, {"steps": 4, "grid": "ays"}, "its own"),
    ("grid beside timesteps", EULER, {"timesteps": [999, 1], "grid": "ays"}, "beside it"),
    ("one number for timesteps", EULER, {"timesteps": 3}, "`timesteps` is 3: expected a list of finite numbers"),
    ("texts for sigmas", EULER, {"sigmas": ["a"]}, "`sigmas` is ['a']: expected a list of finite numbers"),
    ("no sigmas at all", EULER, {"sigmas": []}, "a list of finite numbers"),
    ("text for betas", EULER, {"steps": 4, "trained_betas": "abc"}, "a list of finite numbers"),
    ("number for betas", EULER, {"steps": 4, "trained_betas": 3}, "a list of finite numbers"),
    ("betas above 1", EULER, {"steps": 4, "trained_betas": [0.1, 1.5]}, "from 0 to 1"),
    ("beta below 0", EULER, {"steps": 4, "beta_start": -1}, "`beta_start` is -1: expected a number from 0 to 1"),
    ("NaN for a count", EULER, {"steps": 4, "num_train_timesteps": math.nan}, "a finite number"),
    ("no training steps", EULER, {"steps": 4, "num_train_timesteps": 0}, "at least 1"),
    ("nothing for a count", EULER, {"steps": 4, "num_train_timesteps": None}, "a number"),
    ("infinite beta", EULER, {"steps": 4, "beta_end": math.inf}, "a finite number"),
    ("NaN for a bound", EULER, {"steps": 4, "use_karras_sigmas": True, "sigma_max": math.nan}, "a finite number"),
    ("NaN for churn", EULER, {"steps": 4, "s_churn": math.nan}, "a finite number"),
    ("text for a function", {"_class_name": "SASolverScheduler"}, {"steps": 4, "tau_func": "x"}, "a function"),
    ("a cosine of width -1", {"_class_name": "DDPMWuerstchenScheduler"}, {"steps": 4, "s": -1}, "at least 0"),
    ("no power", {"_class_name": "EDMEulerScheduler"}, {"steps": 4, "rho": 0}, "a number above 0"),
    ("a picture of text", {"_class_name": "RePaintScheduler"}, {"steps": 4, "mask": "x"}, "an array of numbers"),
    ("clipping to nothing", {"_class_name": "DDIMScheduler"}, {"steps": 4, "clip_sample_range": None}, "in use"),
    ("linear betas from nowhere", EULER, {"steps": 4, "beta_start": None}, "`scaled_linear` starts"),
    ("rising timesteps of Euler", EULER, {"timesteps": [1, 2, 3]}, "fall"),
    ("NaN among timesteps", EULER, {"timesteps": [900, math.nan]}, "a list of finite numbers"),
    ("timesteps above training", EULER, {"timesteps": [2000, 3]}, "below 1000"),
    ("repeated timesteps of Heun", {"_class_name": "HeunDiscreteScheduler"}, {"timesteps": [9, 9]}, "fall"),
    ("rising timesteps of ER-SDE", {"_class_name": "EdgediffERSDE"}, {"timesteps": [1, 9]}, "fall"),
    ("rising timesteps of a flow", FLOW, {"timesteps": [100, 900]}, "fall"),
    ("timesteps above a flow", FLOW, {"timesteps": [1001, 900]}, "at most 1000"),
    ("timesteps above a flow map", {"_class_name": "FlowMapEulerDiscreteScheduler"}, {"timesteps": [2000]}, "at most"),
    ("one time of SCM", {"_class_name": "SCMScheduler"}, {"timesteps": [1.5]}, "at least 2 numbers"),
    ("one ratio", {"_class_name": "DDPMWuerstchenScheduler"}, {"timesteps": [1.0]}, "at least 2 numbers"),
    ("timesteps that are whole twice", {"_class_name": "LCMScheduler"}, {"timesteps": [9.5, 9.2]}, "fall"),
    ("a decoder of text", {"_class_name": "DiscreteDDIMScheduler"}, {"steps": 4}, "text"),
]


@pytest.mark.parametrize(("config", "given", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused_in_one_sentence(config, given, says: str) -> None:
    with pytest.raises(SamplerError) as caught:
        build_sampler(config, **given)
    assert says in str(caught.value)
    assert "\n" not in caught.value.sentence
    assert isinstance(caught.value, SettingError)


@pytest.mark.parametrize(
    ("name", "base", "says"),
    [
        ("eulr", EULER, "euler"),
        ("flow_euler", EULER, "`euler`"),
        ("ddim", FLOW, "flow_euler"),
        ("ddim_karras", EULER, "without that grid"),
        ("", EULER, "name of a sampler"),
        ("DPM fast", EULER, "step sizes of dpm_fast are its own"),
        ("DPM adaptive Karras", EULER, "step sizes of dpm_adaptive are its own"),
    ],
)
def test_names_refused(name: str, base, says: str) -> None:
    with pytest.raises(SamplerError, match="sampler") as caught:
        sampler_config(name, base)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("DPM++ 2M Karras", "dpmpp_2m_karras"),
        ("Euler a", "euler_a"),
        ("euler_ancestral", "euler_a"),
        ("DPM++ 2M SDE", "dpmpp_2m_sde"),
        ("DPM2 a", "dpm2_a"),
        ("uni_pc", "unipc"),
        ("k_lms", "lms"),
        ("DPM++ SDE Karras", "dpmpp_sde_karras"),
        ("heun_exponential", "Heun Exponential"),
        ("dpmpp_2m_sde_gpu", "dpmpp_2m_sde"),
        ("dpmpp_sde_gpu_karras", "dpmpp_sde_karras"),
        ("dpmpp_3m_sde_gpu", "dpmpp_3m_sde"),
        ("DPMSolverMultistepScheduler", "dpmpp_2m"),
        ("PNDMScheduler", "pndm"),
        ("DPMSolverSinglestepScheduler", "dpmpp_2s"),
        ("UniPCMultistepScheduler", "unipc"),
        ("EulerDiscreteScheduler_karras", "euler_karras"),
    ],
)
def test_spellings_mean_the_same(spelling: str, name: str) -> None:
    assert sampler_config(spelling, EULER) == sampler_config(name, EULER)


def test_a_name_replaces_the_fields_that_make_it_and_keeps_the_rest() -> None:
    base = {**EULER, "prediction_type": "v_prediction", "use_karras_sigmas": True, "solver_order": 3}
    plain, trailing = sampler_config("dpmpp_2m", base), sampler_config("dpmpp_2m_trailing", base)
    assert (plain["prediction_type"], plain["solver_order"]) == ("v_prediction", 2)
    assert sampler_config("dpmpp_2m_exponential", base)["use_karras_sigmas"] is False
    assert trailing["timestep_spacing"] == "trailing"
    assert build_sampler(trailing, 4).parametrisation.name == "v_prediction"


def test_flow_models_take_the_samplers_that_know_flow_levels() -> None:
    sampler = build_sampler(sampler_config("unipc", FLOW), 6)
    assert sampler.parametrisation.name == "flow_prediction"
    assert all(abs(i.start.alpha + i.start.sigma - 1) < 1e-9 for i in sampler.intervals)


@pytest.mark.parametrize("strength", [0.0, 0.04, -0.1, 1.1])
def test_a_strength_that_leaves_no_step_is_refused(strength: float) -> None:
    with pytest.raises(SamplerError, match="strength"):
        build_sampler(EULER, 10).for_strength(strength)


def test_a_sampler_that_has_no_strength_says_what_to_do() -> None:
    with pytest.raises(SamplerError, match="as `noise`"):
        build_sampler({"_class_name": "DDIMInverseScheduler"}, 10).for_strength(0.5)


def test_a_network_without_variances_is_refused_when_they_are_needed() -> None:
    sampler = build_sampler({"_class_name": "DDPMScheduler", "variance_type": "learned_range"}, 4)
    noise = noise_source(0).standard_normal((1, 2, 4, 4))
    with pytest.raises(SamplerError, match="twice the channels"):
        sampler.sample(lambda x, _t: x, noise, rng=noise_source(0))


def test_a_field_that_diffusers_ignores_is_ignored_aloud():
    with pytest.warns(UserWarning, match="`zigzag`"):
        sampler = build_sampler({**EULER, "zigzag": 1}, steps=4)
    assert (sampler.timesteps == build_sampler(EULER, steps=4).timesteps).all()
