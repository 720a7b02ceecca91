"""``edgediff run --plan``: the settings of a plan, behind those of the command line."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from edgediff_runtimes.bundle import Bundle
    from edgediff_runtimes.settings import Options


def planned(path: Path, model: str, place: dict[str, Any], options: Options) -> tuple[str, dict[str, Any], Options]:
    """Bundle, placement and options of a call, by a plan where the command line says nothing.

    Args:
        path: The plan's file.
        model: What ``--model`` says, or its default.
        place: What ``edgediff.load`` is to take, as the command line says it.
        options: What a call is to take, likewise.

    Raises:
        SettingError: It is no plan, or one of another bundle.
    """
    from edgediff.api import open_bundle
    from edgediff.planning.settings_file import read_settings

    settings = read_settings(path)
    source = click.get_current_context().get_parameter_source("model")
    named = model if source is not click.core.ParameterSource.DEFAULT else settings.path
    # Before anything of the plan is applied: a component that it names may be missing in another bundle.
    bundle = open_bundle(named)
    settings.check(bundle.fingerprint, bundle=bundle.path.name)
    call = dict(settings.call)
    if "reuse" in call and "reuse" not in options and not _is_proved(bundle, call, options):
        del call["reuse"]
        warnings.warn(
            "the bundle does not prove the plan's reuse of predictions for these settings: all network calls are "
            "made (`--reuse auto` takes what it proves for them)",
            stacklevel=2,
        )
    given = {name: value for name, value in place.items() if value not in (None, False)}
    return named, {**place, **settings.load, **given}, cast("Options", {**call, **options})


def _is_proved(bundle: Bundle, call: dict[str, Any], options: Options) -> bool:
    """Whether a plan's schedule is proved for what is drawn; the bundle may have been tuned anew since."""
    from edgediff.api import load
    from edgediff.planning.proofs import proof_of
    from edgediff_runtimes.settings import checks

    manifest, drawn = bundle.manifest, {**call, **options, "reuse": None}
    prompt = "" if "prompt" in manifest.recipe.options else None
    with (
        load(bundle.path, residency="sequential") as pipeline,
        pipeline.stream(prompt, **cast("Options", drawn)) as run,
    ):
        return proof_of(manifest, run.settings, checks.reuse(call["reuse"])) is not None
