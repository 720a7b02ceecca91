"""Components that a picture steers: ControlNets and T2I-Adapters, by the class that their config names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from edgediff_exporters.completeness import check_tensors
from edgediff_exporters.component_export import give_memory_back
from edgediff_exporters.families.base import Config
from edgediff_exporters.growing.base import FAMILIES, Fitting, Growth, next_role, nothing_of, numbered
from edgediff_exporters.growing.transformers import flux_controlnet, sd3_controlnet
from edgediff_exporters.modules import controlnet, t2i_adapter, transformer_controlnet
from edgediff_exporters.openings import Skips
from edgediff_exporters.provenance import files_hash
from edgediff_exporters.quantization import quantiser_for
from edgediff_exporters.sources import with_components
from edgediff_exporters.sources.files import read_json, refusing_oddities
from edgediff_runtimes.bundle import Bundle, Manifest, Origin
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families.control import (
    CONTROLNET,
    T2I_ADAPTER,
    t2i_adapters,
    with_controlnet,
    with_t2i_adapter,
)
from edgediff_runtimes.precisions import precision_of


def steering(source: str | Path, bundle: Bundle, *, precision: str) -> Growth:
    """What a bundle grows by.

    Args:
        source: As of ``add``.
        bundle: Of one of ``STEERED``.
        precision: Of the new component.

    Raises:
        SourceError: The source is no such component, or one for another network.
    """
    manifest = bundle.manifest
    role = manifest.recipe.network.role
    network, unet = manifest.components[role], read_json(bundle.path, f"{role}/config.json")
    part = with_components(nothing_of("", bundle.path, {}), {CONTROLNET: source}).replaced[CONTROLNET]
    kind = read_json(part.root, f"{part.inner}/config.json").get("_class_name")
    kinds = _KINDS[manifest.family]
    if kind not in kinds:
        raise SourceError(
            f"`{part.name}` is of the class `{kind}`: expected {' or '.join(f'`{one}`' for one in kinds)} for a bundle "
            f"of {manifest.family}"
        )
    origin, fitting = kinds[kind]
    model = nothing_of(part.name, bundle.path, {origin: part})
    with refusing_oddities(f"the config of `{part.name}`"):
        found = fitting(manifest, model.config(origin), unet, part.name)
    give_memory_back()
    check_tensors(model, [found.plan], leftovers={})
    known = {spec.name for spec in network.inputs}
    openings = [opening for opening in found.openings if opening.name not in known]
    return Growth(
        name=part.name,
        precision=precision,
        model=model,
        plans=(found.plan,),
        inputs=tuple(opening.spec for opening in openings),
        open_network=lambda graph, folder: quantiser_for(network.format).open_graph(
            graph, folder, openings, places=found.places, half=precision_of(network.precision).half
        ),
        grown=found.grown,
        origins={found.plan.role: Origin(part.name, files_hash(part.files, part.root))},
    )


def _controlnet(manifest: Manifest, config: Config, unet: Config, name: str) -> Fitting:
    space, network = manifest.recipe.first.space, manifest.components[manifest.recipe.network.role]
    controlnet.check_controlnet(config, unet, name=name, channels=space.channels, factor=space.factor)
    role = next_role(manifest.recipe)
    plan = controlnet.controlnet(role, config, network, factor=space.factor)
    grown = partial(with_controlnet, role=role, skips=controlnet.skips_of(unet))
    return Fitting(plan, Skips(controlnet.skips_of(unet)), controlnet.openings(unet), grown)


def _t2i_adapter(manifest: Manifest, config: Config, unet: Config, name: str) -> Fitting:
    t2i_adapter.check_adapter(config, unet, name=name, factor=manifest.recipe.first.space.factor)
    role = numbered(T2I_ADAPTER, len(t2i_adapters(manifest.recipe)))
    plan, openings = t2i_adapter.t2i_adapter(role, config), t2i_adapter.openings(config, unet)
    grown = partial(with_t2i_adapter, role=role, features=len(openings), multiple=config.get("downscale_factor", 8))
    return Fitting(plan, Skips(controlnet.skips_of(unet)), openings, grown)


Kinds: TypeAlias = dict[str, tuple[str, Callable[[Manifest, Config, Config, str], Fitting]]]
_OF_UNETS: Kinds = {controlnet.CLASS: (CONTROLNET, _controlnet), t2i_adapter.CLASS: (T2I_ADAPTER, _t2i_adapter)}
# By the bundle's family and the class that a config names: the directory of such a component, and what looks whether it
# fits. Arguments are the bundle's manifest, the config, the network's, and what to call the component.
_KINDS: dict[str, Kinds] = {
    **dict.fromkeys(FAMILIES, _OF_UNETS),
    "stable-diffusion-3": {transformer_controlnet.SD3_CLASS: (CONTROLNET, sd3_controlnet)},
    "flux": {transformer_controlnet.FLUX_CLASS: (CONTROLNET, flux_controlnet)},
}
# Families whose network takes what is added to it.
STEERED = tuple(_KINDS)
