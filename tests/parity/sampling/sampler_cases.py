"""Configurations of every class, spread over prediction types, spacings, grids, steps and orders."""

from __future__ import annotations

from case_makers import PREDICTIONS, SD, STEPS, case, grids, spread, strengths, strengths_of
from fake_network import POLICY, SCORE, SIGMA_SCORE
from first_cases import FIRST

# The Brownian path is resolved to 1e-6 in sigma and moves by 1e-3 there, which is what the last bit of PyTorch's
# float32 sqrt, log and exp decides.
LAST_BIT = 2e-3
# sigma_down of the ancestral KDPM2 is a difference of nearly equal squares in float32 where steps are long; the
# timestep halfway to it (not the sample) follows its rounding.

EXPLODING = [
    case("EulerDiscreteScheduler", call={"s_churn": 5.0, "s_noise": 1.01}, **SD),
    case(
        "EulerDiscreteScheduler",
        call={"s_churn": 5.0, "s_tmin": 0.1, "s_tmax": 5.0},
        prediction_type="v_prediction",
        **SD,
    ),
    *spread("LMSDiscreteScheduler"),
    *grids("LMSDiscreteScheduler"),
    *spread("KDPM2DiscreteScheduler", predictions=("epsilon", "v_prediction")),
    *grids("KDPM2DiscreteScheduler"),
    *strengths("KDPM2DiscreteScheduler"),
    *spread("KDPM2AncestralDiscreteScheduler", predictions=("epsilon", "v_prediction"), t_atol=0.02),
    *grids("KDPM2AncestralDiscreteScheduler", t_atol=0.02),
    *strengths("KDPM2AncestralDiscreteScheduler"),
    *spread("DPMSolverSDEScheduler", predictions=("epsilon", "v_prediction"), noise_sampler_seed=5, tolerance=LAST_BIT),
    *grids("DPMSolverSDEScheduler", noise_sampler_seed=123, tolerance=LAST_BIT),
]

# At the first timestep of UnCLIP's cosine schedule alpha is 5e-5: dividing by it turns float32 rounding into 1e-3.
SNR_ZERO = 1e-3

DISCRETE = [
    *spread("PNDMScheduler", predictions=("epsilon", "v_prediction"), skip_prk_steps=True),
    *spread("PNDMScheduler", predictions=("epsilon", "v_prediction"), steps=(4, 5, 10, 50)),
    *strengths("PNDMScheduler", skip_prk_steps=True),
    case("PNDMScheduler", skip_prk_steps=True, set_alpha_to_one=True, steps_offset=1, **SD),
    *spread("TCDScheduler", spacings=("leading",), steps=(1, 2, 4, 8, 50)),
    *[case("TCDScheduler", 4, call={"eta": e}) for e in (0.0, 0.5, 1.0)],
    case("TCDScheduler", None, call={"timesteps": [999, 759, 499, 259]}),
    *strengths("TCDScheduler"),
    *[case("TCDScheduler", 4, call={"strength": s}) for s in (0.25, 0.6, 1.0)],
    *spread("DDIMInverseScheduler", predictions=("epsilon", "v_prediction"), spacings=("trailing",), clip_sample=False),
    case("DDIMInverseScheduler", set_alpha_to_one=False, prediction_type="sample", **SD),
    *spread("CogVideoXDDIMScheduler"),
    case(
        "CogVideoXDDIMScheduler",
        20,
        rescale_betas_zero_snr=True,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    ),
    case("CogVideoXDDIMScheduler", beta_schedule="linear", snr_shift_scale=1.0, shape=(1, 2, 4, 3, 3)),
    *spread("CogVideoXDPMScheduler"),
    case(
        "CogVideoXDPMScheduler",
        20,
        rescale_betas_zero_snr=True,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    ),
    *[
        case("UnCLIPScheduler", n, prediction_type=p, tolerance=SNR_ZERO)
        for n in (2, 7, 25)
        for p in ("epsilon", "sample")
    ],
    case("UnCLIPScheduler", tolerance=SNR_ZERO, variance_type="learned_range", channels=2),
    case("UnCLIPScheduler", tolerance=SNR_ZERO, clip_sample_range=5.0, prediction_type="sample", shape=(2, 16)),
    *[case("DDPMWuerstchenScheduler", n, scaler=s) for n, s in ((4, 1.0), (10, 0.5), (10, 2.0), (50, 1.0))],
    *[case("RePaintScheduler", n, eta=e) for n, e in ((5, 0.0), (25, 0.0), (25, 1.0))],
    case("RePaintScheduler", 20, call={"jump_length": 5, "jump_n_sample": 3}, eta=0.5),
]
FLOWING = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
LOG_SNR = [
    *spread("UniPCMultistepScheduler"),
    *grids("UniPCMultistepScheduler"),
    *strengths("UniPCMultistepScheduler"),
    *[
        case(
            "UniPCMultistepScheduler",
            n,
            solver_order=o,
            solver_type=s,
            predict_x0=x,
            final_sigmas_type="sigma_min",
            **SD,
        )
        for o in (1, 2, 3)
        for s in ("bh1", "bh2")
        for x in (True, False)
        for n in (7, 20)
    ],
    case("UniPCMultistepScheduler", disable_corrector=[0, 1, 3], solver_order=3, **SD),
    case("UniPCMultistepScheduler", lower_order_final=False, final_sigmas_type="sigma_min", **SD),
    case("UniPCMultistepScheduler", thresholding=True, **SD),
    case(
        "UniPCMultistepScheduler",
        use_karras_sigmas=True,
        sigma_min=0.1,
        sigma_max=10.0,
        final_sigmas_type="sigma_min",
        **SD,
    ),
    case(
        "UniPCMultistepScheduler",
        rescale_betas_zero_snr=True,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        **SD,
    ),
    case("UniPCMultistepScheduler", flow_shift=3.0, **FLOWING),
    case("UniPCMultistepScheduler", flow_shift=3.0, use_karras_sigmas=True, **FLOWING),
    case("UniPCMultistepScheduler", shift_terminal=0.1, flow_shift=2.0, final_sigmas_type="sigma_min", **FLOWING),
    case("UniPCMultistepScheduler", use_dynamic_shifting=True, call={"mu": 0.7}, **FLOWING),
    case("UniPCMultistepScheduler", None, call={"sigmas": [1.0, 0.8, 0.5, 0.2]}, flow_shift=2.0, **FLOWING),
    *spread("DEISMultistepScheduler"),
    *grids("DEISMultistepScheduler"),
    *strengths("DEISMultistepScheduler"),
    *[case("DEISMultistepScheduler", n, solver_order=o, **SD) for o in (1, 2, 3) for n in (7, 20)],
    # The reference takes small differences of logarithms in float32: with many steps they are mostly rounding.
    *[case("DEISMultistepScheduler", 50, solver_order=3, prediction_type=p, tolerance=1e-3, **SD) for p in PREDICTIONS],
    case("DEISMultistepScheduler", thresholding=True, lower_order_final=False, **SD),
    case("DEISMultistepScheduler", flow_shift=3.0, **FLOWING),
    *spread("SASolverScheduler"),
    *grids("SASolverScheduler"),
    *[
        case("SASolverScheduler", n, predictor_order=p, corrector_order=c, algorithm_type=a, **SD)
        for p, c in ((1, 1), (1, 2), (2, 2), (3, 3), (2, 1))
        for a in ("data_prediction", "noise_prediction")
        for n in (7, 20)
    ],
    case("SASolverScheduler", flow_shift=3.0, **FLOWING),
    case("SASolverScheduler", thresholding=True, lower_order_final=False, **SD),
    *[case("DPMSolverSinglestepScheduler", prediction_type=p, **SD) for p in PREDICTIONS],
    *[case("DPMSolverSinglestepScheduler", n, **SD) for n in STEPS],
    *grids("DPMSolverSinglestepScheduler"),
    *strengths("DPMSolverSinglestepScheduler"),
    *[
        case(
            "DPMSolverSinglestepScheduler",
            n,
            solver_order=o,
            solver_type=s,
            algorithm_type=a,
            lower_order_final=f,
            final_sigmas_type=z,
            # A third-order step with noise grows the sample a hundredfold, and its rounding with it.
            tolerance=1e-3 if (a, o, s) == ("sde-dpmsolver++", 3, "heun") else 1e-4,
            **SD,
        )
        for a, z in (
            ("dpmsolver++", "zero"),
            ("dpmsolver++", "sigma_min"),
            ("dpmsolver", "sigma_min"),
            ("sde-dpmsolver++", "zero"),
        )
        for o in (1, 2, 3)
        for s in ("midpoint", "heun")
        for f in (True, False)
        for n in (6, 7, 20)
    ],
    case("DPMSolverSinglestepScheduler", None, call={"timesteps": [999, 800, 600, 350, 150, 20]}, **SD),
    case("DPMSolverSinglestepScheduler", flow_shift=3.0, **FLOWING),
    *spread("DPMSolverMultistepInverseScheduler"),
    *grids("DPMSolverMultistepInverseScheduler"),
    *[
        case("DPMSolverMultistepInverseScheduler", n, solver_order=o, algorithm_type=a, **SD)
        for o in (1, 2, 3)
        for a in ("dpmsolver", "dpmsolver++")
        for n in (7, 20)
    ],
    case(
        "DPMSolverMultistepInverseScheduler",
        solver_order=2,
        euler_at_final=True,
        **SD,
    ),
]
NETWORKS = [
    *[
        case("EDMEulerScheduler", n, prediction_type=p, sigma_schedule=g, final_sigmas_type=f)
        for p, g, f in (
            ("epsilon", "karras", "zero"),
            ("v_prediction", "exponential", "zero"),
            ("epsilon", "karras", "sigma_min"),
        )
        for n in (1, 4, 20)
    ],
    case("EDMEulerScheduler", call={"s_churn": 4.0, "s_noise": 1.003}),
    *strengths_of("EDMEulerScheduler"),
    *[
        case("EDMDPMSolverMultistepScheduler", n, solver_order=o, solver_type=s, algorithm_type=a)
        for o in (1, 2, 3)
        for s in ("midpoint", "heun")
        for a in ("dpmsolver++", "sde-dpmsolver++")
        for n in (7, 20)
        if (o, a) != (3, "sde-dpmsolver++")  # not defined in the reference
    ],
    *[
        case(
            "EDMDPMSolverMultistepScheduler",
            prediction_type="v_prediction",
            sigma_schedule="exponential",
            final_sigmas_type=f,
        )
        for f in ("zero", "sigma_min")
    ],
    case("EDMDPMSolverMultistepScheduler", thresholding=True),
    # The last level is that of the end but for a bit of float32.
    *[
        case(
            "EDMDPMSolverMultistepScheduler",
            n,
            algorithm_type="sde-dpmsolver++",
            final_sigmas_type="sigma_min",
            sigma_schedule=g,
        )
        for g in ("karras", "exponential")
        for n in (1, 2, 5, 20)
    ],
    *[
        case("CosineDPMSolverMultistepScheduler", n, solver_order=o, solver_type=s, sigma_schedule=g)
        for g in ("exponential", "karras")
        for o in (1, 2)
        for s in ("midpoint", "heun")
        for n in (2, 5, 7, 20)
    ],
    *[case("CMStochasticIterativeScheduler", n, clip_denoised=c) for n in (1, 2, 5, 40) for c in (True, False)],
    case("CMStochasticIterativeScheduler", None, call={"timesteps": [39, 22, 0]}),
    case("ConsistencyDecoderScheduler", 2),
    *[case("SCMScheduler", n, call={} if n == 2 else {"intermediate_timesteps": None}) for n in (1, 2, 4)],
    *[case("FlowMatchHeunDiscreteScheduler", n, shift=s) for n in (1, 2, 7, 20) for s in (1.0, 3.0)],
    *[case("FlowMatchLCMScheduler", n, shift=s) for n in (1, 4, 8) for s in (1.0, 3.0)],
    case("FlowMatchLCMScheduler", use_dynamic_shifting=True, use_beta_sigmas=True, call={"mu": 0.6}),
    *[case("LTXEulerAncestralRFScheduler", n, eta=e) for n in (2, 8) for e in (0.0, 0.5, 1.0)],
    case("LTXEulerAncestralRFScheduler", None, call={"sigmas": [1.0, 0.7, 0.3, 0.0]}),
    *[case("FlowMapEulerDiscreteScheduler", n, shift=s) for n in (1, 4) for s in (1.0, 5.0)],
    *[case("MiniMaxH3Scheduler", n) for n in (2, 9, 30)],
    *[case("IPNDMScheduler", n) for n in (1, 2, 3, 10, 50)],
    *[case("ScoreSdeVeScheduler", n, correct_steps=c, sigma_max=50.0, channels=SCORE) for n in (2, 20) for c in (1, 2)],
    *[case("ScoreSdeVpScheduler", n) for n in (2, 20, 50)],
    *[case("KarrasVeScheduler", n, sigma_max=10, channels=SIGMA_SCORE) for n in (2, 7, 20)],
]
STAGED = [
    case("HeliosScheduler", n, call={"stage_index": i}, scheduler_type=k)
    for n in (2, 6, 20)
    for i in (0, 1, 2)
    for k in ("unipc", "euler")
] + [
    case("HeliosScheduler", call={"stage_index": 1, "mu": 0.7}, use_dynamic_shifting=True),
    case("HeliosScheduler", stages=1, shift=3.0, scheduler_type="euler"),
    *[case("HeliosScheduler", n, stages=1, solver_order=o) for o in (1, 2) for n in (2, 5, 20)],
    case("HeliosScheduler", stages=1, shift=3.0),
    case("HeliosScheduler", stages=1, use_dynamic_shifting=True, call={"mu": 0.7}),
    case("HeliosScheduler", call={"stage_index": 2}, shift=4.0, solver_order=3, solver_type="bh1"),
]

# An order in a config that is above the number of steps is lowered.
FEW_STEPS = [
    case(cls, n, **{order: 3}, **config)
    for cls, order, config in (
        ("DPMSolverMultistepScheduler", "solver_order", SD),
        ("DPMSolverMultistepScheduler", "solver_order", {**SD, "lower_order_final": False}),
        ("DPMSolverSinglestepScheduler", "solver_order", SD),
        ("DPMSolverMultistepInverseScheduler", "solver_order", SD),
        ("UniPCMultistepScheduler", "solver_order", SD),
        ("DEISMultistepScheduler", "solver_order", SD),
        ("EDMDPMSolverMultistepScheduler", "solver_order", {}),
        ("SASolverScheduler", "predictor_order", SD),
        ("SASolverScheduler", "corrector_order", SD),
    )
    for n in (1, 2)
]

POLICIES = [case("PiflowScheduler", n, shift=s, channels=POLICY) for n in (1, 2, 4, 8) for s in (1.0, 5.0)]

CASES = [*FIRST, *EXPLODING, *DISCRETE, *LOG_SNR, *NETWORKS, *STAGED, *FEW_STEPS, *POLICIES]
