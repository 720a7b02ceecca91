"""Tiny random models of every family and what diffusers draws with them: what the parity test compares with, and what
the goldens of families keep.

A case is a module in ``tests/parity/families``: ``NAME``, ``build``, ``reference``, and ``PROMPTS`` or ``asked``; where
other things than here can be asked of it, also ``PLANS``, ``STARTS``, ``PICTURE_OPTIONS`` (given beside a picture),
``SIZED`` (whether the size is one of them), ``STEPS``, ``load`` (of the source in diffusers), or ``options`` (of ours,
for a plan); where it has several models, ``VARIANTS``: its functions are then given one, and its ``STARTS`` may be by
variant. What starts with ``mask`` draws part of a picture anew: ``reference`` is then given the mask and the strength.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias, final

import diffusers
import numpy as np
from PIL import Image

PARITY = Path(__file__).parents[1] / "parity" / "families"
STEPS, STRENGTH, SEED = 4, 0.6, 7
# Guidance, negative prompt, batch, size; None: not asked for.
Plan: TypeAlias = "tuple[float | None, str | None, int, tuple[int, int] | None]"
# What a run starts from: noise, a picture, or a picture with a mask.
Start: TypeAlias = Literal["noise", "image", "mask"]
STARTS: tuple[Start, ...] = ("noise", "image")
PLANS: list[Plan] = [
    (1.0, None, 1, (32, 32)),
    (5.0, None, 3, (48, 40)),
    (5.0, "dull", 1, (48, 40)),
]


def module_of(path: Path) -> ModuleType:
    """A module that is in no package, run once more."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@final
@dataclass(frozen=True)
class Model:
    """One model of a family: its case, and which of the case's variants."""

    case: ModuleType
    variant: str

    @property
    def name(self) -> str:
        """Of the family, and the variant behind it."""
        return f"{self.case.NAME}{self.variant}"

    @property
    def plans(self) -> list[tuple[Plan, Start]]:
        """What is asked of it, and what it starts from."""
        return [(plan, start) for plan in self._fact("PLANS", default=PLANS) for start in self.starts]

    @property
    def starts(self) -> tuple[Start, ...]:
        """What it can start from."""
        starts = self._fact("STARTS", default=STARTS)
        chosen: tuple[Start, ...] = starts.get(self.variant, STARTS) if isinstance(starts, dict) else starts
        return chosen

    def build(self, folder: Path, *, tokenizer: Callable[..., int], perturb: Callable[..., Any]) -> None:
        """Write it as a directory of diffusers."""
        index = self.case.build(folder, tokenizer=tokenizer, perturb=perturb, **self._given)
        (folder / "model_index.json").write_text(json.dumps(index))

    def load(self, folder: Path) -> diffusers.DiffusionPipeline:
        """What was written, in diffusers."""
        load = self._fact("load", default=None)
        pipeline = load(folder, **self._given) if load else diffusers.DiffusionPipeline.from_pretrained(folder)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def drawn(
        self, pipeline: diffusers.DiffusionPipeline, plan: Plan, *, start: Start
    ) -> tuple[np.ndarray, list[Image.Image]]:
        """The final latents and the pictures of a plan, as diffusers has them."""
        guidance, negative, batch, size = plan
        return self.case.reference(
            pipeline,
            size=size,
            batch=batch,
            guidance=guidance,
            negative=negative,
            image=None if start == "noise" else _picture(size),
            **({"mask": _mask(size), "strength": _strength(plan, start)} if start == "mask" else {}),
            steps=self._fact("STEPS", default=STEPS),
            **self._given,
        )

    def asked(self, plan: Plan, *, start: Start) -> tuple[list[str] | None, dict[str, Any]]:
        """The prompts and options with which edgediff draws the same."""
        guidance, negative, batch, size = plan
        asked = self._fact("asked", default=None)
        prompt, options = asked(batch) if asked else (self.case.PROMPTS[:batch], {})
        options |= {"steps": self._fact("STEPS", default=STEPS), "seed": SEED}
        wanted = {"guidance": guidance, "negative_prompt": negative}  # None is as if it were not there
        others = self._fact("options", default=None)
        options |= others(**wanted, **self._given) if others else wanted
        if start != "noise":
            beside = self._fact("PICTURE_OPTIONS", default={"strength": _strength(plan, start)})
            options |= {"image": _picture(size), **beside}
            options |= {"mask": _mask(size)} if start == "mask" else {}
        if size is not None and (start == "noise" or self._fact("SIZED", default=False)):
            options |= {"width": size[0], "height": size[1]}
        return prompt, options

    @property
    def _given(self) -> dict[str, str]:
        return {"variant": self.variant} if self.variant else {}

    def _fact(self, name: str, *, default: Any) -> Any:
        return vars(self.case).get(name, default)


def _picture(size: tuple[int, int] | None) -> Image.Image:
    """A disc on a shaded ground."""
    y, x = np.mgrid[0:48, 0:48].astype(np.float32)
    disc = ((x - 24) ** 2 + (y - 20) ** 2 < 200)[..., None]
    drawn = np.where(disc, np.stack([220 - y, 40 + 2 * x, 60 + x + y], axis=-1), 255).astype(np.uint8)
    assert size is not None
    return Image.fromarray(drawn).resize(size)


def _mask(size: tuple[int, int] | None) -> Image.Image:
    """An ellipse with a soft edge, off the middle; each pixel is as dark or light as another at that place."""
    assert size is not None
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    distance = np.hypot((x / size[0] - 0.4) / 0.35, (y / size[1] - 0.55) / 0.3)
    return Image.fromarray(((1.5 - distance) * 255).clip(0, 255).astype(np.uint8))


def _strength(plan: Plan, start: Start) -> float:
    """Into one picture from noise alone; into several, and from others, from what is there."""
    return 1.0 if start == "mask" and plan[2] == 1 else STRENGTH


MODELS = {
    model.name: model
    for path in sorted(PARITY.glob("*.py"))
    if not path.name.startswith("test_")
    for case in [module_of(path)]
    for variant in vars(case).get("VARIANTS", ("",))
    for model in [Model(case, variant)]
}
