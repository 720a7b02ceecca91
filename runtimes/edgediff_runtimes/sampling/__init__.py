"""Samplers: noise in, sample out, with any network in between.

Four axes compose: the grid (``schedules``), the meaning of the network's output (``prediction``), the solver
(``solvers``) and the noise source (``edgediff_runtimes.noise``). ``reading`` maps diffusers' configs onto them.
"""

from __future__ import annotations

from edgediff_runtimes.sampling.building import build_sampler, takes
from edgediff_runtimes.sampling.known import Known
from edgediff_runtimes.sampling.known_samplers import SamplerInfo
from edgediff_runtimes.sampling.names import sampler_config, sampler_fields, sampler_names, sampler_table
from edgediff_runtimes.sampling.prediction import Between, PredictionPair
from edgediff_runtimes.sampling.sampler import Sampler, Step

__all__ = [
    "Between",
    "Known",
    "PredictionPair",
    "Sampler",
    "SamplerInfo",
    "Step",
    "build_sampler",
    "sampler_config",
    "sampler_fields",
    "sampler_names",
    "sampler_table",
    "takes",
]
