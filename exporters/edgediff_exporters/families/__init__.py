"""Model families that can be exported. A new one is one new file and one line here."""

from __future__ import annotations

from edgediff_exporters.families.base import ComponentPlan, Family, GraphInput
from edgediff_exporters.families.stable_diffusion import StableDiffusion
from edgediff_runtimes.errors import SourceError

__all__ = ["FAMILIES", "ComponentPlan", "Family", "GraphInput", "family_of"]

FAMILIES: tuple[Family, ...] = (StableDiffusion(),)


def family_of(class_name: str) -> Family:
    """The family that covers a pipeline class of diffusers.

    Raises:
        SourceError: None does.
    """
    for family in FAMILIES:
        if class_name in family.pipelines:
            return family
    known = ", ".join(name for family in FAMILIES for name in family.pipelines)
    raise SourceError(f"the pipeline class `{class_name}` is of no known family: expected one of {known}")
