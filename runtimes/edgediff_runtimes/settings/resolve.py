"""Options into settings: every one applied or refused, none ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

from edgediff_runtimes.bundle import Defaults
from edgediff_runtimes.errors import ImageError, SettingError
from edgediff_runtimes.masks import ALPHA
from edgediff_runtimes.noise import NOISE_KINDS
from edgediff_runtimes.other_names import OTHER_NAMES
from edgediff_runtimes.parts.tiling import LEAST
from edgediff_runtimes.recipe import GraphUse, Guidance, Recipe, Stage
from edgediff_runtimes.recipe.declarations import Choice, Noised, Sizes
from edgediff_runtimes.recipe.declarations.control import CONTROLS, PROMPT_PICTURES
from edgediff_runtimes.recipe.wires import PICTURES, SEVERAL
from edgediff_runtimes.settings import blending, checks, editing, enlarging, noise_levels, prompting
from edgediff_runtimes.settings.controls import control_choices
from edgediff_runtimes.settings.inpainting import inpainting
from edgediff_runtimes.settings.options import Options, Settings
from edgediff_runtimes.settings.prompt_pictures import prompt_choices
from edgediff_runtimes.settings.tasks import default_strength, pictures_asked, pictures_given, task_of
from edgediff_runtimes.untrusted.bounds import IMAGES

_WITH_A_PICTURE = ("strength", "encode")
_FILES = {*PICTURES, CONTROLS[0], PROMPT_PICTURES[0]}  # options that hold pictures
# Of options that some models take: what those lack that do not.
_WHY = {
    "class_label": "has no classes",
    "enlarge": enlarging.NO_PICTURE,
    "image_guidance": "does not weigh a picture beside its text",
    "noise_level": "starts from no picture with noise, and is shown none",
    "to_prompt": "takes no text",
    "blend": "takes no text",
    **dict.fromkeys(prompting.OPTIONS, "takes no text"),
    **dict.fromkeys(CONTROLS, "has no component for a picture to steer it with, such as a ControlNet"),
    **dict.fromkeys(PROMPT_PICTURES, "has no IP-Adapter"),
}


def options_of(values: object) -> tuple[str | None, Options]:
    """Prompt and options that draw a picture again, from what ``Settings.of_image`` gave for it.

    Raises:
        ImageError: These are no such settings.
    """
    names = {field.name for field in fields(Settings)}
    problem = ImageError("the picture's settings are not those of this edgediff: expected " + ", ".join(sorted(names)))
    if not isinstance(values, dict) or values.keys() != names or not isinstance(values["choices"], dict):
        raise problem
    if values["mask"] not in (None, ALPHA) or values["choices"].keys() & _FILES:
        raise problem  # a file must not say which other files of this machine are opened
    if values["embeds"]:
        raise ImageError("the picture was drawn from embeddings, which its file does not have: expected a prompt in it")
    prompts, negatives = checks.texts(values["prompts"]), checks.texts(values["negative_prompts"])
    if len(prompts) > 1 or [*prompts] != values["prompts"] or [*negatives[:1]] != values["negative_prompts"]:
        raise problem
    known = Options.__annotations__
    options = {name: value for name, value in {**values, **values["choices"]}.items() if name in known}
    options["negative_prompt"] = negatives[0] if negatives else None
    options["to_prompt"] = next(iter(checks.texts(values["to_prompts"])), None)
    return (prompts[0] if prompts else None), cast("Options", options)


def pictures_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The options that held the caller's pictures, from what ``options_of`` took."""
    return tuple(name for name in checks.texts(values.get("pictures")) if name in PICTURES)


def resolve_settings(
    recipe: Recipe,
    defaults: Defaults,
    prompt: str | Sequence[str] | None,
    options: Options,
    *,
    image_size: tuple[int, int] | None,
    family: str | None = None,
    spare: Callable[[Sequence[GraphUse]], int | None] = lambda _: None,
) -> Settings:
    """Fill in the bundle's defaults and check every option.

    Args:
        recipe: Says which options there are.
        defaults: The bundle's.
        prompt: One prompt or several; None for a model that takes no text.
        options: What the caller asked for.
        image_size: Width and height of ``options["image"]``, or None without one.
        family: The bundle's, for hints.
        spare: Tells how many bytes a run of these graphs has for what it computes in tiles; None: enough.

    Raises:
        SettingError: An option is unknown, is not read by the recipe, or cannot be applied.
    """
    _check_known(recipe, options)
    stage, (task, names) = recipe.first, task_of(recipe, options)
    prompts = checks.prompts(prompt, recipe)
    guidance, guided = _guidance(recipe, defaults, options)
    sampler_options = checks.sampler_options(_or(options.get("sampler_options"), {}))
    steps = checks.steps(options.get("steps"), defaults.steps, sampler_options)
    extent, size = _extent(recipe, defaults, options, image_size, steps=steps, spare=spare)
    asked, option = options.get("negative_prompt"), prompting.negative_option(options)
    settings = Settings(
        prompts=prompts,
        negative_prompts=checks.negatives(stage.guidance, asked, prompts, guided=guided, option=option),
        images_per_prompt=checks.at_least_one("images", _or(options.get("images"), 1), IMAGES),
        seed=blending.seed("seed", options.get("seed")),
        noise=checks.noise(_or(options.get("noise"), NOISE_KINDS[0])),
        steps=steps,
        guidance=guidance,
        guidance_rescale=checks.rescale(_or(options.get("guidance_rescale"), 0.0), guided=guided),
        sampler=checks.sampler(options.get("sampler")),
        sampler_options=sampler_options,
        decoder=checks.decoder(options.get("decoder"), recipe, family=family),
        task=task,
        pictures=pictures_given(options, names),
        guided=guided,
        reuse=checks.reuse(_or(options.get("reuse"), "off")),
        guidance_interval=checks.guidance_interval(options.get("guidance_interval"), guided=guided),
        reuse_guidance=checks.reuse_guidance(_or(options.get("reuse_guidance"), 1), guided=guided),
        **blending.between(options, prompts),
        **inpainting(options, masked="mask" in names),
        **extent,
        **prompting.reading(options),
    )
    told = noise_levels.chosen(recipe, task, options)
    settings = replace(settings, choices={**_choices(recipe, options, settings), **told})
    checks.memory(settings.batch, *size)  # of which the choices say how many pictures there are
    return settings


def settings_of(stage: Stage, settings: Settings) -> Settings:
    """The settings of a later stage, whose guidance may be another than the first's, or none.

    Args:
        stage: The stage.
        settings: Of the run.
    """
    guidance, plain = stage.guidance, replace(settings, guided=False, negative_prompts=())
    if guidance is None or (guidance.negative and not settings.negative_prompts):
        return plain
    scale = settings.guidance if guidance.scale == "guidance" else settings.choices.get(guidance.scale)
    if scale is None or scale <= guidance.above:
        return plain
    # Empty ones, where it asks for some and the first stage does not.
    negatives = settings.negative_prompts or checks.negatives(guidance, None, settings.prompts, guided=True)
    return replace(settings, guided=True, negative_prompts=negatives)


def _extent(
    recipe: Recipe,
    defaults: Defaults,
    options: Options,
    image_size: tuple[int, int] | None,
    *,
    steps: int | None,
    spare: Callable[[Sequence[GraphUse]], int | None],
) -> tuple[dict[str, Any], tuple[int, int]]:
    """How large the picture is, what it starts from, and in which tiles; and the size that it has in the end."""
    stage, (task, pictures) = recipe.first, task_of(recipe, options)
    width, height = size = checks.size(stage.space, defaults, options, image_size)
    enlarge = enlarging.factor(options.get("enlarge"), recipe, pictures)
    if enlarge is None:
        least, start_size = LEAST, image_size
    else:
        task, least, size = enlarging.task(recipe), enlarging.LEAST_TILE, enlarging.size(stage.space, size, enlarge)
        start_size = size
    usual = default_strength(stage, pictures, options)
    strength, encode = noise_levels.start(recipe, task, options, size, start_size, default=usual)
    if enlarge is not None and strength is not None and options.get("strength") is None:
        strength = enlarging.strength(steps)
    uses = recipe.run_of(task, tiny=options.get("decoder") == "tiny")
    given, sides = options.get("tile"), {"width": size[0], "height": size[1]}
    tile = checks.tile(given, stage.space, **sides, least=least, spare=lambda: spare(uses))
    if enlarge is not None:
        enlarging.check_size(stage.space, defaults, size, enlarge, tile=tile)
    fields = {"strength": strength, "encode": encode, "tile": tile, "enlarge": enlarge}
    return {"width": width, "height": height, **fields}, size


def _or(value: Any, default: Any) -> Any:  # noqa: ANN401 - either's type
    return default if value is None else value


def _check_known(recipe: Recipe, options: Options) -> None:
    known = Options.__annotations__.keys()
    if unknown := sorted(options.keys() - known - {*SEVERAL}):
        ours = OTHER_NAMES.get(unknown[0].lower())
        hint = None if ours is None else f"it is called `{ours}` here"
        raise SettingError("options", got=unknown[0], expected=f"one of {', '.join(known)}", hint=hint)
    # These are refused where they are checked, with a better reason.
    without = () if pictures_asked(options) else _WITH_A_PICTURE
    guidance = "negative_prompt", "guidance_rescale", "guidance_interval", "reuse_guidance"
    texts = prompting.OPTIONS if "prompt" in recipe.options else ()
    read = {*recipe.options, *PICTURES, *without, *guidance, *texts, "width", "height", "decoder"}
    for name, value in options.items():
        if value is not None and name not in read:
            why = _WHY.get(name, "does not take it")
            raise SettingError(name, got=value, expected=f"nothing, because the bundle's model {why}")


def _guidance(recipe: Recipe, defaults: Defaults, options: Options) -> tuple[float | None, bool]:
    """The scale that the model is known by, and whether the network is asked twice."""
    asked, scale = recipe.first.guidance, None
    if "guidance" in recipe.options:
        scale = checks.number("guidance", _or(options.get("guidance"), defaults.guidance))
    guided = _is_guided(asked, options, scale)
    if asked is not None and asked.negative and asked.scale == "guidance" and not guided:
        return None, False  # nothing is scaled, so that there is nothing to repeat
    return scale, guided


def _is_guided(guidance: Guidance | None, options: Options, scale: float | None) -> bool:
    """Whether the network is asked twice."""
    if guidance is None:
        return False
    given = cast("float | None", options.get(guidance.scale))
    if guidance.scale != "guidance":
        scale = None if given is None else checks.number(guidance.scale, given)
    guided = scale is not None and scale > guidance.above
    if guided and guidance.negative and options.get("negative_prompt") is None:
        if given is None:
            return False
        option = prompting.negative_option(options)
        empty = "empty" if option == "negative_prompt" else "those of an empty prompt"
        raise SettingError(
            guidance.scale,
            got=given,
            expected=f"at most {guidance.above:g}, because without a negative prompt it has no effect",
            hint=f"give `{option}`, which may be {empty}",
        )
    return guided


def _choices(recipe: Recipe, options: Options, settings: Settings) -> dict[str, Any]:
    """What the parts read that is not among the settings, by option."""
    chosen: dict[str, Any] = {}
    own = {field.name for field in fields(Settings)}
    asked: Mapping[str, Any] = cast("Mapping[str, Any]", options)
    for stage in recipe.stages:
        scale = None if stage.guidance is None else asked.get(stage.guidance.scale)
        if stage.guidance is not None and stage.guidance.scale not in own and scale is not None:
            chosen[stage.guidance.scale] = checks.number(stage.guidance.scale, scale)
        if stage.guidance is not None and stage.guidance.picture_scale is not None:
            given = asked.get(stage.guidance.picture_scale)
            chosen |= editing.picture_guidance(stage.guidance, given, guided=settings.guided)
        for option in stage.schedule.options:
            chosen[option] = checks.share(option, _or(asked.get(option), stage.schedule.share))
        for parts in stage.phases.values():
            for part in parts:
                if isinstance(part, Choice) and part.choice not in own:
                    chosen[part.choice] = checks.choice(part, asked.get(part.choice))
                if isinstance(part, Noised):
                    chosen[part.choice] = enlarging.noise_level(part, asked.get(part.choice))
                if isinstance(part, Sizes):
                    chosen.update(_sizes(part, asked, settings, own))
    return chosen | control_choices(recipe, asked) | prompt_choices(recipe, asked)


def _sizes(part: Sizes, asked: Mapping[str, Any], settings: Settings, own: set[str]) -> dict[str, float]:
    chosen: dict[str, float] = {}
    for name in part.options:
        if name in own:
            continue
        default = part.defaults.get(name)
        fallback = getattr(settings, default) if isinstance(default, str) else default
        chosen[name] = checks.number(name, _or(asked.get(name), fallback))
    return chosen
