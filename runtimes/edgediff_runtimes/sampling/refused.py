"""Classes of diffusers that are no samplers of this kind, each with the reason that a user is told."""

from __future__ import annotations

_DECODER = "it decodes text tokens under the control of its pipeline (prompt masks, end of text), not a noisy sample"

REFUSED: dict[str, str] = {
    "BlockRefinementScheduler": _DECODER,
    "DiscreteDDIMScheduler": _DECODER,
    "EntropyBoundScheduler": _DECODER,
    "HeliosDMDScheduler": "its step takes the noise and the levels of all stages from its video pipeline",
    "RFD4ProteinaScheduler": "it samples protein backbones with residue masks that its pipeline holds",
}
