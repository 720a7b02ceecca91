"""ControlNets for transformers: whether one fits, and the recipe with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edgediff_exporters.families.base import ComponentPlan, Config
from edgediff_exporters.growing.base import Fitting, next_role
from edgediff_exporters.modules import transformer_controlnet as modules
from edgediff_runtimes.bundle import Manifest
from edgediff_runtimes.families.control import network_of
from edgediff_runtimes.families.transformer_control import (
    ENCODER,
    encoded_mean,
    encoded_tokens,
    with_transformer_controlnet,
)
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import Affine
from edgediff_runtimes.recipe.part import Part


def sd3_controlnet(manifest: Manifest, config: Config, network: Config, name: str) -> Fitting:
    """One for a transformer of Stable Diffusion 3.

    Raises:
        SourceError: It is none for this one.
    """
    modules.check_sd3(config, network, name=name)
    role, (scaling, shift) = next_role(manifest.recipe), _scaling(manifest.recipe)
    encoding = encoded_mean(
        role,
        channels=manifest.recipe.first.space.channels,
        scaling=scaling,
        # InstantX's were taught with latents that are not shifted.
        shift=0.0 if config.get("force_zeros_for_pooled_projection", True) else shift,
        draws=modules.draws(manifest.components[ENCODER]),
    )
    plan = modules.sd3_controlnet(role, config)
    grown = _grown(plan, modules.sd3_taken(config, network), encoding)
    return Fitting(plan, modules.sd3_blocks(network), modules.sd3_openings(network), grown)


def flux_controlnet(manifest: Manifest, config: Config, network: Config, name: str) -> Fitting:
    """One for a transformer of FLUX.1.

    Raises:
        SourceError: It is none for this one.
    """
    modules.check_flux(config, network, name=name, told=network_of(manifest.recipe.first).feeds)
    role, (scaling, shift) = next_role(manifest.recipe), _scaling(manifest.recipe)
    draws = modules.draws(manifest.components[ENCODER])
    encoding = encoded_tokens(role, scaling=scaling, shift=shift, draws=draws)
    plan = modules.flux_controlnet(role, config)
    grown = _grown(plan, modules.flux_taken(config, network), encoding)
    return Fitting(plan, modules.flux_blocks(network), modules.flux_openings(config, network), grown)


def _grown(plan: ComponentPlan, taken: dict[str, str], encoding: tuple[Part, ...]) -> Callable[[Recipe], Recipe]:
    return partial(
        with_transformer_controlnet, role=plan.role, told=modules.told_of(plan), taken=taken, encoding=encoding
    )


def _scaling(recipe: Recipe) -> tuple[float, float]:
    """Scaling and shift of the latents, by which they are decoded."""
    decoded = next(part for part in recipe.first.result if isinstance(part, Affine) and part.name == "x")
    scaling, shift = (number for number in (decoded.over, decoded.plus) if not isinstance(number, tuple))
    return scaling, shift
