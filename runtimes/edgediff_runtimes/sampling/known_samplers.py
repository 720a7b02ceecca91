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
        needs: ``flow`` for flow models only, ``distilled`` for models trained for it, else ``any``.
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
_LU = "Lu et al. 2022, DPM-Solver++"
_KARRAS = "Karras et al. 2022"

_ROWS = (
    SamplerInfo("ddim", "DDIMScheduler", 1, 1, (20, 50), "Song et al. 2021, DDIM"),
    SamplerInfo("ddpm", "DDPMScheduler", 1, 1, (50, 1000), "Ho et al. 2020", stochastic=True),
    SamplerInfo("euler", "EulerDiscreteScheduler", 1, 1, (20, 50), _KARRAS, aliases=("k_euler",)),
    SamplerInfo(
        "euler_a",
        "EulerAncestralDiscreteScheduler",
        1,
        1,
        (20, 50),
        "Crowson 2022, k-diffusion",
        stochastic=True,
        aliases=("euler_ancestral", "k_euler_a", "k_euler_ancestral"),
    ),
    SamplerInfo("heun", "HeunDiscreteScheduler", 2, 2, (10, 30), _KARRAS, aliases=("k_heun",)),
    SamplerInfo(
        "dpmpp_2m",
        _DPM,
        2,
        1,
        (10, 30),
        _LU,
        fields={"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint"},
        aliases=("dpm_multi", "k_dpmpp_2m", "dpmsolverpp_2m"),
    ),
    SamplerInfo("lcm", "LCMScheduler", 1, 1, (2, 8), "Luo et al. 2023", stochastic=True, needs="distilled"),
    SamplerInfo(
        "flow_euler",
        "FlowMatchEulerDiscreteScheduler",
        1,
        1,
        (20, 50),
        "Lipman et al. 2023; Esser et al. 2024",
        aliases=("flow_match_euler", "rectified_flow"),
        needs="flow",
    ),
)

KNOWN: dict[str, SamplerInfo] = {row.name: row for row in _ROWS}
