"""Reuse of predictions in a run: whether it may be, by which schedule, and what is told of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, final

from edgediff_runtimes.bundle import Manifest, ProvedReuse
from edgediff_runtimes.errors import SamplerError, SettingError
from edgediff_runtimes.results import Reused
from edgediff_runtimes.sampling import Sampler
from edgediff_runtimes.sampling.reuse import ReuseSchedule, Reusing, why_not_reusable
from edgediff_runtimes.settings import Options, Settings
from edgediff_runtimes.settings.resolve import resolve_settings

# A bundle that recommends fewer steps was made to draw in few: distilled (LCM, Turbo, Lightning, schnell ...). Between
# two of its calls lies too much of the way for anything to be extrapolated.
MADE_FOR_FEW = 10
# Under ``strict``: how much larger than where the schedule was measured a prediction error is a jump, and what is one
# where nothing was measured.
JUMP_OVER_PROVED, JUMP = 1.5, 1.0


@final
@dataclass(frozen=True, slots=True)
class ReuseOfRun:
    """The reuse of one run.

    Attributes:
        between: What the sampler asks.
        proof: What was measured of its schedule; None where it was not.
        kind: As ``Reused.schedule``.
    """

    between: Reusing
    proof: ProvedReuse | None
    kind: Literal["proved", "even", "given", "full"]

    def report(self) -> Reused:
        """What came of it so far."""
        return Reused(
            schedule=self.kind,
            orders=self.between.orders,
            calls=len(self.between.levels),
            made=self.between.made,
            errors=tuple(self.between.errors),
            jumped=self.between.jumped,
            psnr_db=None if self.proof is None else self.proof.psnr_db,
        )


def reuse_of(manifest: Manifest, settings: Settings, samplers: Sequence[Sampler], *, strict: bool) -> ReuseOfRun | None:
    """What a run reuses; None where that is not asked for.

    Args:
        manifest: Has the schedules that were measured.
        settings: Of the run.
        samplers: One for each stage that is run.
        strict: Make all calls from a jump of the prediction error on.

    Raises:
        SettingError: Calls are to be left out, and nothing can be reused, or the run does not have as many calls.
    """
    asked, sampler = settings.reuse, samplers[0]
    if asked == "off":
        return None
    total, reason = len(sampler.calls), why_not(manifest, settings, sampler, stages=len(samplers))
    proofs = [
        proof
        for proof in manifest.reuse
        if reason is None and len(proof.orders) == total and _is_of(proof, settings, manifest)
    ]
    if asked == "auto":
        proof = min(proofs, key=lambda one: len(one.schedule.made), default=None)
        schedule = ReuseSchedule.even(total, total)
        if proof is None:
            warnings.warn(
                "the bundle has no schedule of reuse that was measured with these settings: all network calls are made "
                f"({reason or '`edgediff.tune(bundle)` finds and measures one'})",
                stacklevel=4,
            )
    else:
        if reason is not None:
            raise SettingError("reuse", got=asked, expected=f"`off`, because {reason}")
        schedule = _schedule(asked, total)
        proof = next((one for one in proofs if asked in (one.orders, len(one.schedule.made))), None)
    if proof is not None:
        most = proof.error * JUMP_OVER_PROVED if strict else None
        return ReuseOfRun(Reusing(sampler.calls, sampler.parametrisation, proof.schedule, most), proof, "proved")
    kind: Literal["even", "given", "full"] = (
        "full" if asked == "auto" else "even" if isinstance(asked, int) else "given"
    )
    most = JUMP if strict and kind != "full" else None  # where all calls are made nothing can jump
    return ReuseOfRun(Reusing(sampler.calls, sampler.parametrisation, schedule, most), None, kind)


def _schedule(asked: int | Sequence[int | None], total: int) -> ReuseSchedule:
    """What is asked for, where nothing is known of its quality."""
    calls = asked if isinstance(asked, int) else len(asked)
    if calls > total:
        raise SamplerError("reuse", got=asked, expected=f"at most {total}, the network calls of this run")
    if isinstance(asked, int):
        return ReuseSchedule.even(asked, total)
    if calls != total:
        raise SamplerError("reuse", got=asked, expected=f"{total} orders, one for each network call of this run")
    return ReuseSchedule(tuple(asked))


def options_measured(proof: ProvedReuse) -> Options:
    """The options of the runs that something was measured with; all others were left out."""
    return {
        "steps": proof.steps,
        "guidance": proof.guidance,
        "sampler": proof.sampler,
        "width": proof.width,
        "height": proof.height,
    }


def _is_of(proof: ProvedReuse, settings: Settings, manifest: Manifest) -> bool:
    """Whether something was measured with the settings of a run, but for what a picture shows and its seed."""
    label = settings.choices.get("class_label")
    subject: Options = {} if label is None else {"class_label": label}
    options: Options = {**options_measured(proof), **subject}
    prompts = list(settings.prompts) or None
    try:
        measured = resolve_settings(manifest.recipe, manifest.defaults, prompts, options, image_size=None)
    except SettingError:  # there is no such run, as where the model draws from pictures alone
        return False
    return _of_any_picture(measured) == _of_any_picture(settings)


def _of_any_picture(settings: Settings) -> Settings:
    """Settings without what no proof depends on: what is shown, from which noise, how many, and how it is decoded.

    Predictions are of the samples before the decode: tiles or a small decoder change both pictures alike.
    """
    plain = replace(settings, prompts=(), negative_prompts=(), to_prompts=(), blend=None, images_per_prompt=1)
    plain = replace(plain, seed=0, noise="", variation_seed=None, variation_strength=None)
    return replace(plain, tile=None, decoder=None, reuse="off")


def why_not(manifest: Manifest, settings: Settings, sampler: Sampler, *, stages: int) -> str | None:
    """Why predictions cannot be reused, whatever the schedule, as the end of a sentence; None: they can.

    Args:
        manifest: The bundle's.
        settings: Of the run.
        sampler: Of the run.
        stages: Of the run.
    """
    steps = manifest.defaults.steps
    if stages > 1:
        return "what it costs was not measured for models of several stages"
    if settings.masked:
        return "what it costs was not measured where part of a picture is kept"
    if settings.guidance_interval is not None or settings.reuse_guidance > 1:
        return "what it costs was not measured beside `guidance_interval` and `reuse_guidance`"
    if settings.choices.keys() & {"control_scale", "prompt_image_scale"}:
        return "what it costs was not measured beside a control picture or a prompt picture"
    if steps < MADE_FOR_FEW:
        return f"this model draws in {steps} steps, each too far from the last to extrapolate anything"
    return why_not_reusable(sampler)
