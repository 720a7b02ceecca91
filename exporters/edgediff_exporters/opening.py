"""A model opened and looked at: all that can be known to fail is known before the first graph is traced."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from edgediff_exporters.completeness import check_tensors
from edgediff_exporters.component_export import give_memory_back
from edgediff_exporters.families import ADMITTED, ComponentPlan, plans_of
from edgediff_exporters.families.admitted import check_classes
from edgediff_exporters.requests import check_defaults
from edgediff_exporters.scheduler import bundle_scheduler
from edgediff_exporters.sources import open_source, with_components
from edgediff_exporters.sources.base import Source, tokenizer_of
from edgediff_exporters.sources.files import reading_as_bundle, refusing_oddities
from edgediff_runtimes.bundle import Defaults
from edgediff_runtimes.errors import SettingError, SourceError
from edgediff_runtimes.families import Family, family_of
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import Tokens
from edgediff_runtimes.settings import checks


class UntoldStepsWarning(UserWarning):
    """Nothing tells how many steps a model takes; the message says what is recommended then."""


_ASKED = {"steps", "guidance"}  # what the configs of a distilled model may leave open


@final
@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model that can be exported.

    Attributes:
        source: Where it is.
        family: What it is of.
        recipe: What a bundle of it does.
        defaults: What its family recommends.
        plans: Its components.
    """

    source: Source
    family: Family
    recipe: Recipe
    defaults: Defaults
    plans: tuple[ComponentPlan, ...]

    def reader(self, tokenizer: str) -> str:
        """The directory in the source of the component that reads a tokenizer's ids, as the recipe says."""
        ids = {
            (stage.name, part.ids)
            for stage in self.recipe.stages
            for part in stage.given
            if isinstance(part, Tokens) and part.tokenizer == tokenizer
        }
        fed = {use.role for use in self.recipe.graphs() for name in use.feeds.values() if (use.stage, name) in ids}
        return next(plan.origin for plan in self.plans if plan.role in fed)

    def recommended(self, given: Mapping[str, float]) -> Defaults:
        """What its bundle recommends: the family's numbers, replaced by those that were asked for.

        Raises:
            SettingError: There is no such number, the model does not take it, or it has an impossible value.
            SourceError: The configs do not tell steps and guidance, and neither does ``given``.
        """
        numbers = check_defaults(given)
        if unread := sorted(given.keys() - {*self.recipe.options}):
            raise SettingError(
                "defaults", got=unread[0], expected=f"none for `{unread[0]}`, which the model does not take"
            )
        if not given.keys() >= _ASKED and (doubt := self.family.doubts(self.source.configs())) is not None:
            raise SourceError(
                f"the configs of `{self.source.name}` do not tell how many steps it takes: {doubt}; expected defaults "
                "for steps and guidance",
                hint='`defaults={"steps": 1, "guidance": 1}` for SD-Turbo, what its card says for another distilled '
                'model, `defaults={"steps": 20, "guidance": 7.5}` for one that was not distilled',
            )
        told = given.keys() >= _ASKED or "guidance" not in self.recipe.options  # without it, it was distilled
        if not told and self.source.write_vocabulary is not None:  # the configs are ours
            warnings.warn(
                f"`{self.source.name}` is a lone checkpoint, which does not tell whether it was distilled to draw in "
                f"few steps: the bundle recommends {self.defaults.steps} steps and a guidance of "
                f"{self.defaults.guidance:g}; where its card says others, give defaults for steps and guidance",
                UntoldStepsWarning,
                stacklevel=2,
            )
        recommended = replace(self.defaults, **numbers)
        if numbers.keys() & {"width", "height"}:
            try:
                checks.size(self.recipe.first.space, recommended, {}, None)
            except SettingError as error:
                expected = f"a size that the model draws ({error.sentence})"
                raise SettingError("defaults", got=dict(given), expected=expected, hint=error.hint) from error
        return recommended

    def scheduler(self, *, steps: int) -> dict[str, Any]:
        """Its scheduler's config as the bundle holds it, see ``bundle_scheduler``."""
        shift = self.recipe.first.schedule.shift
        config = self.family.scheduler(self.source.configs())
        return bundle_scheduler(config, steps=steps, name=self.source.name, shift=shift)


def open_model(
    source: str | Path, *, config: str | Path | None, components: Mapping[str, str | Path] | None = None
) -> OpenedModel:
    """Open a model and compare its classes, channels and tensors with what its family takes.

    Args:
        source: As in ``export``.
        config: As in ``export``.
        components: As in ``export``.

    Raises:
        SettingError: ``config`` is given for a source that has its own, or a component that its family has not.
        SourceError: It is no model that can be exported.
    """
    give_memory_back()  # before modules without weights are made, to compare their names
    others = components or {}
    model = open_source(source, config=config)
    with reading_as_bundle(f"`{model.name}` cannot be exported: "):  # a family reads configs as the runtime does
        family = family_of(model.configs().class_name)
        admitted = ADMITTED[family.name]
        for role, place in others.items():
            if role not in admitted.classes:
                got, expected = f"{role}={Path(place).name}", f"components among {', '.join(admitted.classes)}"
                raise SettingError("components", got=got, expected=expected)
        model = with_components(model, others)
        _check_parts(model)
        configs = model.configs()
        with refusing_oddities(f"a config of `{model.name}`"):
            check_classes(model, admitted)
            admitted.check(model)
            plans = plans_of(family.name, model)
            recipe, defaults = family.recipe(configs), family.defaults(configs)
    check_tensors(model, plans, leftovers=admitted.leftovers)
    return OpenedModel(model, family, recipe.only([plan.role for plan in plans]), defaults, plans)


def _check_parts(model: Source) -> None:
    """Refuse a model that lacks components, all of them named."""
    missing = [role for role in model.missing if role not in model.replaced]
    tokenizers = filter(None, map(tokenizer_of, model.replaced))
    missing += [
        role
        for role in tokenizers
        if role not in missing and model.find(f"{role}/tokenizer_config.json") is None  # of a part that was optional
    ]
    if not missing:
        return
    named = ", ".join(f"`{role}`" for role in missing)
    brought = {*map(tokenizer_of, missing)}
    asked = {role: "DIR" for role in missing if role not in brought}
    raise SourceError(
        f"`{model.name}` holds no {named}: expected {'it' if len(missing) == 1 else 'them'} from elsewhere",
        hint=f"`components={json.dumps(asked)}`; DIR is a model in diffusers' layout that has the component, or the "
        "component's own directory, for weights of a known shape also a `.safetensors` file; a tokenizer beside a text "
        "encoder comes with it",
    )
