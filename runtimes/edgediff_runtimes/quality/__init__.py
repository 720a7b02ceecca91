"""How far what a bundle draws is from what the fp32 model draws: measured, attributed, gated, proved.

- ``measures``: PSNR, SSIM, SNR
- ``prompts``: what to draw; never what the bundle was calibrated with
- ``making``, ``reference``: what fp32 draws and computes, in a record that the bundle carries
- ``running``: a bundle with the engine that computes it
- ``measuring``: components on the record's inputs, and pictures, of any bundle
- ``attribution``: what each component costs alone
- ``gate``: refuses what is worse than was asked for
- ``claims``: holds a manifest's report against what was measured again

``docs/quality.md`` explains the figures. No part needs PyTorch or the model that the bundle was exported from.
"""

from edgediff_runtimes.quality.attribution import attribute
from edgediff_runtimes.quality.claims import check_claims, check_record
from edgediff_runtimes.quality.gate import check_floors, gate, worst_component
from edgediff_runtimes.quality.making import OnProgress, make_reference
from edgediff_runtimes.quality.measuring import draw, fidelity, measure, measure_components, measure_pictures
from edgediff_runtimes.quality.prompts import (
    CALIBRATION_PROMPTS,
    EVALUATION_PROMPTS,
    Prompts,
    Subjects,
    call_of,
    held_out,
    read_prompts,
)
from edgediff_runtimes.quality.reference import RECORD_NAME, Probe, Reference
from edgediff_runtimes.quality.running import Runner

__all__ = [
    "CALIBRATION_PROMPTS",
    "EVALUATION_PROMPTS",
    "RECORD_NAME",
    "OnProgress",
    "Probe",
    "Prompts",
    "Reference",
    "Runner",
    "Subjects",
    "attribute",
    "call_of",
    "check_claims",
    "check_floors",
    "check_record",
    "draw",
    "fidelity",
    "gate",
    "held_out",
    "make_reference",
    "measure",
    "measure_components",
    "measure_pictures",
    "read_prompts",
    "worst_component",
]
