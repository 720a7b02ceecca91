"""Configurations of the samplers that most models use."""

from __future__ import annotations

from case_makers import GRIDS, SD, SPACINGS, STEPS, case, grids, spread, strengths

DDIM = [
    *spread("DDIMScheduler", clip_sample=False),
    *strengths("DDIMScheduler", clip_sample=False),
    case("DDIMScheduler", clip_sample=True, clip_sample_range=0.7),
    case("DDIMScheduler", thresholding=True, sample_max_value=1.5, **SD),
    case("DDIMScheduler", set_alpha_to_one=False, steps_offset=1, clip_sample=False, **SD),
    case("DDIMScheduler", call={"eta": 0.6}, clip_sample=False, **SD),
    case("DDIMScheduler", call={"eta": 1.0}, clip_sample=False, shape=(1, 3, 5), **SD),
    case(
        "DDIMScheduler", rescale_betas_zero_snr=True, prediction_type="v_prediction", timestep_spacing="trailing", **SD
    ),
    case("DDIMScheduler", beta_schedule="squaredcos_cap_v2", clip_sample=False),
    case("DDIMScheduler", beta_schedule="linear", clip_sample=False, shape=(2, 3)),
    case("DDIMScheduler", trained_betas=[0.001 * i for i in range(1, 21)], num_train_timesteps=20, clip_sample=False),
    case("DDIMParallelScheduler", call={"eta": 0.3}, clip_sample=False, **SD),
]
DDPM = [
    *spread("DDPMScheduler", clip_sample=False),
    *strengths("DDPMScheduler", clip_sample=False),
    *[case("DDPMScheduler", variance_type=v) for v in ("fixed_small", "fixed_small_log", "fixed_large")],
    *[case("DDPMScheduler", variance_type=v, channels=2) for v in ("learned_range",)],
    case("DDPMScheduler", None, call={"timesteps": [900, 600, 333, 50, 0]}, **SD),
    case("DDPMScheduler", beta_schedule="sigmoid"),
    case("DDPMScheduler", beta_schedule="laplace"),
    case("DDPMScheduler", thresholding=True, shape=(2, 3, 2, 4, 4), **SD),
    case(
        "DDPMScheduler", rescale_betas_zero_snr=True, prediction_type="v_prediction", timestep_spacing="trailing", **SD
    ),
    case("DDPMParallelScheduler", **SD),
]
LCM = [
    *spread("LCMScheduler", spacings=("leading",), steps=(1, 2, 4, 8, 50)),
    case("LCMScheduler", 4, original_inference_steps=100, timestep_scaling=5.0, clip_sample=True),
    case("LCMScheduler", 4, thresholding=True),
    case("LCMScheduler", None, call={"timesteps": [999, 759, 499, 259]}),
    *strengths("LCMScheduler"),
    # Latent consistency pipelines make the schedule for the strength, and run all of it.
    *[case("LCMScheduler", 4, call={"strength": s}) for s in (0.25, 0.6, 1.0)],
]
EULER = [
    *spread("EulerDiscreteScheduler"),
    *grids("EulerDiscreteScheduler"),
    *strengths("EulerDiscreteScheduler"),
    *strengths("EulerDiscreteScheduler", use_karras_sigmas=True, timestep_spacing="leading"),
    case("EulerDiscreteScheduler", use_karras_sigmas=True, sigma_min=0.1, sigma_max=8.0, **SD),
    case("EulerDiscreteScheduler", interpolation_type="log_linear", use_karras_sigmas=True, **SD),
    case("EulerDiscreteScheduler", final_sigmas_type="sigma_min", **SD),
    *[
        case("EulerDiscreteScheduler", n, final_sigmas_type="sigma_min", timestep_spacing=s, **grid, **SD)
        for s in SPACINGS
        for grid in ({}, *({g: True} for g in GRIDS))
        for n in (1, 6, 30)
    ],
    case("EulerDiscreteScheduler", 10, strength=0.3, final_sigmas_type="sigma_min", **SD),
    case("EulerDiscreteScheduler", None, call={"timesteps": [999, 600, 50, 0]}, final_sigmas_type="sigma_min", **SD),
    case(
        "EulerDiscreteScheduler",
        timestep_type="continuous",
        prediction_type="v_prediction",
        use_karras_sigmas=True,
        **SD,
    ),
    case(
        "EulerDiscreteScheduler",
        rescale_betas_zero_snr=True,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        **SD,
    ),
    case("EulerDiscreteScheduler", None, call={"timesteps": [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]}, **SD),
    case(
        "EulerDiscreteScheduler", None, call={"sigmas": [14.615, 6.475, 3.861, 2.697, 1.886, 0.963, 0.152, 0.0]}, **SD
    ),
]
EULER_A = [
    *spread("EulerAncestralDiscreteScheduler", predictions=("epsilon", "v_prediction")),
    *strengths("EulerAncestralDiscreteScheduler"),
    case("EulerAncestralDiscreteScheduler", rescale_betas_zero_snr=True, prediction_type="v_prediction", **SD),
]
HEUN = [
    *spread("HeunDiscreteScheduler"),
    *grids("HeunDiscreteScheduler"),
    *strengths("HeunDiscreteScheduler"),
    case("HeunDiscreteScheduler", clip_sample=True, clip_sample_range=0.8, **SD),
    case("HeunDiscreteScheduler", beta_schedule="exp"),
    case("HeunDiscreteScheduler", None, call={"timesteps": [999, 700, 300, 20]}, **SD),
]
DPM = [
    *spread("DPMSolverMultistepScheduler"),
    *[c for k in GRIDS for c in [case("DPMSolverMultistepScheduler", n, **{k: True}, **SD) for n in (4, 12, 20)]],
    *[case("DPMSolverMultistepScheduler", n, use_lu_lambdas=True, **SD) for n in (4, 20)],
    *strengths("DPMSolverMultistepScheduler"),
    *strengths("DPMSolverMultistepScheduler", use_karras_sigmas=True),
    *[
        case(
            "DPMSolverMultistepScheduler", n, solver_order=o, solver_type=s, algorithm_type=a, final_sigmas_type=f, **SD
        )
        for a, f, orders in (
            ("dpmsolver++", "zero", (1, 2, 3)),
            ("dpmsolver++", "sigma_min", (3,)),
            ("dpmsolver", "sigma_min", (1, 2, 3)),
            ("sde-dpmsolver++", "zero", (1, 2, 3)),
            ("sde-dpmsolver", "sigma_min", (1, 2)),
        )
        for o in orders
        for s in ("midpoint", "heun")
        for n in (7, 20)
    ],
    case("DPMSolverMultistepScheduler", 20, euler_at_final=True, final_sigmas_type="sigma_min", **SD),
    case("DPMSolverMultistepScheduler", lower_order_final=False, final_sigmas_type="sigma_min", **SD),
    case("DPMSolverMultistepScheduler", thresholding=True, **SD),
    case(
        "DPMSolverMultistepScheduler",
        thresholding=True,
        algorithm_type="dpmsolver",
        final_sigmas_type="sigma_min",
        **SD,
    ),
    case("DPMSolverMultistepScheduler", beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1),
    case(
        "DPMSolverMultistepScheduler",
        rescale_betas_zero_snr=True,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        **SD,
    ),
    case("DPMSolverMultistepScheduler", use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0),
    case(
        "DPMSolverMultistepScheduler",
        use_flow_sigmas=True,
        prediction_type="flow_prediction",
        use_dynamic_shifting=True,
        call={"mu": 0.8},
    ),
    case("DPMSolverMultistepScheduler", variance_type="learned_range", channels=2, shape=(2, 3, 4, 4), **SD),
    case(
        "DPMSolverMultistepScheduler", None, call={"timesteps": [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]}, **SD
    ),
]
FLOW_EULER = [
    *[case("FlowMatchEulerDiscreteScheduler", n, shift=s) for n in STEPS for s in (1.0, 3.0)],
    *[case("FlowMatchEulerDiscreteScheduler", 10, strength=s, shift=3.0) for s in (0.3, 0.55, 1.0)],
    *[case("FlowMatchEulerDiscreteScheduler", shift=2.0, **{g: True}) for g in GRIDS],
    *[
        case("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True, time_shift_type=k, call={"mu": 0.9})
        for k in ("exponential", "linear")
    ],
    case("FlowMatchEulerDiscreteScheduler", shift_terminal=0.1, shift=2.0),
    case("FlowMatchEulerDiscreteScheduler", invert_sigmas=True),
    case("FlowMatchEulerDiscreteScheduler", stochastic_sampling=True, shift=3.0),
    case("FlowMatchEulerDiscreteScheduler", 4, call={"sigmas": [1.0, 0.8, 0.5, 0.2]}, shift=3.0),
    case("FlowMatchEulerDiscreteScheduler", 3, call={"timesteps": [1000, 600, 250]}, shift=3.0),
]

FIRST = [*DDIM, *DDPM, *LCM, *EULER, *EULER_A, *HEUN, *DPM, *FLOW_EULER]
