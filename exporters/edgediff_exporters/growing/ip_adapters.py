"""IP-Adapters: an image encoder, a projection, and weights that go into the network's own graph."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from edgediff_exporters.completeness import check_tensors
from edgediff_exporters.component_export import give_memory_back
from edgediff_exporters.families.base import Config
from edgediff_exporters.growing.base import Growth, nothing_of
from edgediff_exporters.modules.ip_adapter import (
    ENCODER_CLASS,
    image_encoder,
    in_graph_order,
    projection,
    read_adapter,
)
from edgediff_exporters.passes.open_attention import SPECS, open_attention
from edgediff_exporters.provenance import files_hash
from edgediff_exporters.sources import with_components
from edgediff_exporters.sources.base import Part
from edgediff_exporters.sources.files import read_json, refusing_oddities
from edgediff_exporters.weights import map_weights
from edgediff_runtimes.bundle import Bundle, Origin
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families.ip_adapter import IMAGE_ENCODER, IP_ADAPTER, has_ip_adapter, with_ip_adapter
from edgediff_runtimes.precisions import precision_of

_LEFTOVERS = {r"(^|\.)position_ids$": "a constant"}


def ip_adapter(file: Path, encoder: str | Path, bundle: Bundle, *, precision: str, work: Path) -> Growth:
    """What a bundle grows by.

    Args:
        file: The adapter's ``.safetensors`` file.
        encoder: The directory, or a hub name, of its image encoder.
        bundle: Of one of ``FAMILIES``.
        precision: Of the new components.
        work: A place for what is read until they are written.

    Raises:
        SourceError: The file is no IP-Adapter, or one for another network or another image encoder; or the bundle has
            one already, or graphs in another format.
    """
    manifest = bundle.manifest
    role = manifest.recipe.network.role
    network, unet = manifest.components[role], read_json(bundle.path, f"{role}/config.json")
    _check_network(bundle, role)
    seen = with_components(nothing_of("", bundle.path, {}), {IMAGE_ENCODER: encoder}).replaced[IMAGE_ENCODER]
    weights = map_weights([file])
    config, layers = read_adapter(weights, name=file.name)
    ordered = in_graph_order(layers, unet, name=file.name)
    (work / IP_ADAPTER).mkdir()
    (work / IP_ADAPTER / "config.json").write_text(json.dumps(config), encoding="utf-8")  # of which it has none
    own = Part(file.name, work, IP_ADAPTER, lambda: weights, (file,))
    model = nothing_of(file.name, bundle.path, {IMAGE_ENCODER: seen, IP_ADAPTER: own})
    with refusing_oddities(f"the config of `{seen.name}`"):
        eyes = model.config(IMAGE_ENCODER)
        _check_encoder(eyes, config, name=seen.name)
        plans = image_encoder(eyes), projection(config)
    give_memory_back()
    leftovers = {**_LEFTOVERS, r"^ip_adapter\.": "weights of the network's attention, which go into its graph"}
    check_tensors(model, plans, leftovers=leftovers)
    opened = partial(
        open_attention,
        layers=ordered,
        half=precision_of(network.precision).half,
        exact=network.precision == "fp32",
    )
    return Growth(
        name=file.name,
        precision=precision,
        model=model,
        plans=plans,
        inputs=SPECS,
        open_network=opened,
        grown=partial(with_ip_adapter, side=eyes.get("image_size", 224)),
        origins={
            IMAGE_ENCODER: Origin(seen.name, files_hash(seen.files, seen.root)),
            IP_ADAPTER: Origin(file.name, files_hash([file], file.parent)),
        },
    )


def _check_network(bundle: Bundle, role: str) -> None:
    """Refuse a network beside whose attention no other can be put."""
    network = bundle.manifest.components[role]
    if network.format != "onnx":
        raise SourceError(
            f"`{bundle.path.name}` has graphs of OpenVINO's: expected ONNX graphs, in which attention is one operator "
            "that an IP-Adapter's can be put beside"
        )
    if precision_of(network.precision).calibrated:
        raise SourceError(
            f"`{role}` of `{bundle.path.name}` is in {network.precision}, whose products of attention are rounded: "
            "expected a precision in which attention is one operator that an IP-Adapter's can be put beside",
            hint='`precision="w8"` is one',
        )
    if has_ip_adapter(bundle.manifest.recipe):
        raise SourceError(f"`{bundle.path.name}` has an IP-Adapter already: expected a bundle without")


def _check_encoder(encoder: Config, adapter: Config, *, name: str) -> None:
    """Whether an image encoder is CLIP's, and gives what the projection takes."""
    kinds = encoder.get("architectures") or [None]
    if ENCODER_CLASS not in kinds:
        raise SourceError(f"`{name}` is of the class `{kinds[0]}`: expected a `{ENCODER_CLASS}`")
    if encoder.get("projection_dim", 512) != adapter["image_embed_dim"]:
        raise SourceError(
            f"the image encoder `{name}` gives {encoder.get('projection_dim', 512)} numbers for a picture: expected "
            f"{adapter['image_embed_dim']}, which the adapter takes"
        )
