"""The table of samplers by name: what `edgediff samplers` lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Mapping


@final
@dataclass(frozen=True, slots=True)
class SamplerInfo:
    """One row.

    Attributes:
        name: The name users type.
        class_name: The class of diffusers whose numbers it gives.
        fields: Fields of the config that make the name.
        order: Order of convergence of the method.
        stochastic: Whether steps draw fresh noise.
        calls: Network calls per step.
        steps: Recommended numbers of steps, from and to.
        source: The paper.
        aliases: Other spellings.
        needs: ``flow`` for flow models only, ``distilled`` for models trained for it, ``guidance`` for CFG++, which
            mixes the guided and the unguided output itself (above 1 and up to about 2 suits it), else ``any``.
    """

    name: str
    class_name: str
    order: int
    calls: int
    steps: tuple[int, int]
    source: str
    stochastic: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    needs: str = "any"


_DPM = "DPMSolverMultistepScheduler"
_SINGLE = "DPMSolverSinglestepScheduler"
_LU_A = "Lu et al. 2022, DPM-Solver"
_LU_B = "Lu et al. 2022, DPM-Solver++"
_KARRAS = "Karras et al. 2022"
_CROWSON = "Crowson 2022, k-diffusion"
_CFG_PP = "Chung et al. 2024, CFG++"
_FLOW = "Lipman et al. 2023; Esser et al. 2024"


# The multistep rule of third order, as published, halves the second derivative: it converges with order 2.
def _dpm(kind: str, order: int, rule: str = "midpoint", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a config
    return {"algorithm_type": kind, "solver_order": order, "solver_type": rule, **more}


_ROWS = (
    SamplerInfo("ddim", "DDIMScheduler", 1, 1, (20, 50), "Song et al. 2021, DDIM"),
    SamplerInfo("ddpm", "DDPMScheduler", 1, 1, (50, 1000), "Ho et al. 2020", stochastic=True),
    SamplerInfo("pndm", "PNDMScheduler", 2, 1, (20, 50), "Liu et al. 2022, PNDM", fields={"skip_prk_steps": False}),
    SamplerInfo("plms", "PNDMScheduler", 2, 1, (20, 50), "Liu et al. 2022, PNDM", fields={"skip_prk_steps": True}),
    SamplerInfo("euler", "EulerDiscreteScheduler", 1, 1, (20, 50), _KARRAS, aliases=("k_euler",)),
    SamplerInfo(
        "euler_a",
        "EulerAncestralDiscreteScheduler",
        1,
        1,
        (20, 50),
        _CROWSON,
        stochastic=True,
        aliases=("euler_ancestral", "k_euler_a", "k_euler_ancestral"),
    ),
    SamplerInfo("heun", "HeunDiscreteScheduler", 2, 2, (10, 30), _KARRAS, aliases=("k_heun",)),
    SamplerInfo("lms", "LMSDiscreteScheduler", 4, 1, (20, 50), _CROWSON, aliases=("k_lms", "linear_multistep")),
    SamplerInfo("dpm2", "KDPM2DiscreteScheduler", 2, 2, (10, 30), _LU_A, aliases=("dpm_2", "k_dpm_2", "kdpm2")),
    SamplerInfo(
        "dpm2_a",
        "KDPM2AncestralDiscreteScheduler",
        2,
        2,
        (10, 30),
        _LU_A,
        stochastic=True,
        aliases=("dpm_2_a", "dpm_2_ancestral", "dpm2_ancestral", "k_dpm_2_a", "k_dpm_2_ancestral", "kdpm2_a"),
    ),
    SamplerInfo(
        "dpm_solver_2", _DPM, 2, 1, (10, 30), _LU_A, fields=_dpm("dpmsolver", 2, final_sigmas_type="sigma_min")
    ),
    SamplerInfo(
        "dpm_solver_3", _DPM, 2, 1, (10, 30), _LU_A, fields=_dpm("dpmsolver", 3, final_sigmas_type="sigma_min")
    ),
    SamplerInfo(
        "dpmpp_2m",
        _DPM,
        2,
        1,
        (10, 30),
        _LU_B,
        fields=_dpm("dpmsolver++", 2),
        aliases=("dpm_multi", "k_dpmpp_2m", "dpmsolverpp_2m"),
    ),
    SamplerInfo("dpmpp_3m", _DPM, 2, 1, (10, 30), _LU_B, fields=_dpm("dpmsolver++", 3)),
    SamplerInfo(
        "dpmpp_2m_sde",
        _DPM,
        2,
        1,
        (15, 40),
        _LU_B,
        stochastic=True,
        fields=_dpm("sde-dpmsolver++", 2),
        aliases=("k_dpmpp_2m_sde",),
    ),
    SamplerInfo(
        "dpmpp_2m_sde_heun", _DPM, 2, 1, (15, 40), _LU_B, stochastic=True, fields=_dpm("sde-dpmsolver++", 2, "heun")
    ),
    SamplerInfo(
        "dpmpp_3m_sde",
        _DPM,
        2,
        1,
        (15, 40),
        _LU_B,
        stochastic=True,
        fields=_dpm("sde-dpmsolver++", 3),
        aliases=("k_dpmpp_3m_sde",),
    ),
    SamplerInfo("dpmpp_2s", _SINGLE, 2, 1, (10, 30), _LU_B, fields=_dpm("dpmsolver++", 2), aliases=("dpm_single",)),
    SamplerInfo("dpmpp_3s", _SINGLE, 3, 1, (12, 30), _LU_B, fields=_dpm("dpmsolver++", 3)),
    SamplerInfo("dpmpp_sde", "DPMSolverSDEScheduler", 2, 2, (10, 30), _LU_B, stochastic=True, aliases=("k_dpmpp_sde",)),
    SamplerInfo(
        "deis", "DEISMultistepScheduler", 2, 1, (10, 30), "Zhang & Chen 2023, DEIS", fields={"solver_order": 2}
    ),
    SamplerInfo(
        "unipc",
        "UniPCMultistepScheduler",
        3,
        1,
        (8, 30),
        "Zhao et al. 2023, UniPC",
        fields={"solver_order": 2, "solver_type": "bh2"},
        aliases=("uni_pc", "uni_pc_bh2", "unipc_bh2"),
    ),
    SamplerInfo(
        "unipc_bh1",
        "UniPCMultistepScheduler",
        3,
        1,
        (8, 30),
        "Zhao et al. 2023, UniPC",
        fields={"solver_order": 2, "solver_type": "bh1"},
        aliases=("uni_pc_bh1",),
    ),
    SamplerInfo(
        "sa_solver",
        "SASolverScheduler",
        2,
        1,
        (15, 40),
        "Xue et al. 2023, SA-Solver",
        stochastic=True,
        fields={"algorithm_type": "data_prediction"},
    ),
    SamplerInfo(
        "dpmpp_2s_a",
        "EdgediffDPM2SAncestral",
        2,
        2,
        (10, 30),
        _LU_B,
        stochastic=True,
        aliases=("dpmpp_2s_ancestral", "k_dpmpp_2s_a"),
    ),
    SamplerInfo("er_sde", "EdgediffERSDE", 2, 1, (10, 30), "Cui et al. 2023, ER-SDE", stochastic=True),
    # The refined exponential solver's multistep rule is DPM-Solver++(2M)'s rule of Heun type, term by term.
    SamplerInfo("res_multistep", _DPM, 2, 1, (10, 30), "Zhang et al. 2023, RES", fields=_dpm("dpmsolver++", 2, "heun")),
    SamplerInfo(
        "euler_cfg_pp", "EdgediffEulerCFGPlusPlus", 1, 1, (20, 50), "Chung et al. 2024, CFG++", needs="guidance"
    ),
    SamplerInfo(
        "euler_a_cfg_pp",
        "EdgediffEulerAncestralCFGPlusPlus",
        1,
        1,
        (20, 50),
        _CFG_PP,
        stochastic=True,
        aliases=("euler_ancestral_cfg_pp",),
        needs="guidance",
    ),
    SamplerInfo("lcm", "LCMScheduler", 1, 1, (2, 8), "Luo et al. 2023", stochastic=True, needs="distilled"),
    SamplerInfo("tcd", "TCDScheduler", 1, 1, (2, 8), "Zheng et al. 2024", stochastic=True, needs="distilled"),
    SamplerInfo(
        "flow_euler",
        "FlowMatchEulerDiscreteScheduler",
        1,
        1,
        (20, 50),
        _FLOW,
        aliases=("flow_match_euler", "rectified_flow"),
        needs="flow",
    ),
    SamplerInfo("flow_heun", "FlowMatchHeunDiscreteScheduler", 2, 2, (10, 25), _FLOW, needs="flow"),
    SamplerInfo("flow_lcm", "FlowMatchLCMScheduler", 1, 1, (2, 8), "Luo et al. 2023", stochastic=True, needs="flow"),
    SamplerInfo(
        "flow_euler_a",
        "LTXEulerAncestralRFScheduler",
        1,
        1,
        (20, 50),
        "Crowson 2022; ComfyUI's euler_ancestral_RF",
        stochastic=True,
        aliases=("flow_euler_ancestral",),
        needs="flow",
    ),
)

KNOWN: dict[str, SamplerInfo] = {row.name: row for row in _ROWS}
