"""Recipes: what is done with the graphs of a bundle, said as data. ``parts/`` does the work, ``running/`` the order."""

from __future__ import annotations

from edgediff_runtimes.recipe.declarations import KINDS
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import GraphUse, Guidance, Recipe, Schedule, Space, Stage
from edgediff_runtimes.recipe.wires import check_wires

__all__ = ["KINDS", "GraphUse", "Guidance", "Part", "Recipe", "Schedule", "Space", "Stage", "check_wires"]
