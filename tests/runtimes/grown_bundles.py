"""Bundles as if they had grown by ControlNets: their recipe and their manifest, without graphs for these."""

from __future__ import annotations

import dataclasses

from edgediff_runtimes.bundle import Bundle, Component
from edgediff_runtimes.families.control import given_residuals, taken_residuals, with_controlnet
from edgediff_runtimes.tensors import TensorSpec

_AXES = {"controlnet_cond": 4, "conditioning_scale": 1}


def grown(bundle: Bundle, count: int, *, skips: int) -> Bundle:
    """The bundle with so many ControlNets, whose files are the network's own; without what was measured of reuse."""
    manifest = bundle.manifest
    recipe, components, network = manifest.recipe, dict(manifest.components), manifest.components["unet"]
    axes = {spec.name: len(spec.shape) for spec in network.inputs} | _AXES
    for number in range(count):
        role = f"controlnet_{number + 1}" if number else "controlnet"
        recipe = with_controlnet(recipe, role, skips=skips)
        feeds = next(use for use in recipe.graphs() if use.role == role).feeds
        inputs = tuple(_any(name, axes[name]) for name in feeds)
        outputs = tuple(_any(name, 4) for name in given_residuals(skips))
        components[role] = Component("onnx", "fp32", network.files, inputs, outputs)
    if count:
        more = tuple(_any(name, 4) for name in taken_residuals(skips))
        components["unet"] = dataclasses.replace(network, inputs=network.inputs + more)
    changed = dataclasses.replace(manifest, recipe=recipe, components=components, reuse=())
    return dataclasses.replace(bundle, manifest=changed)


def _any(name: str, axes: int) -> TensorSpec:
    return TensorSpec(name, "float32", tuple(f"{name}.{axis}" for axis in range(axes)))
