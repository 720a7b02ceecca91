"""The trained pipeline of this repository: as diffusers runs it, and as a bundle exported from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import edgediff

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))  # drawn_by_diffusers, drawn_by_families

SOURCE = Path(__file__).parents[2] / "benchmarks" / "models" / "emoji" / "pipelines" / "emoji"


@pytest.fixture(scope="session")
def source():
    return SOURCE


@pytest.fixture(scope="session")
def bundle(shared):
    """The fp32 bundle."""
    return shared("emoji-fp32", lambda folder: edgediff.export(SOURCE, folder / "emoji")) / "emoji"


@pytest.fixture(scope="session")
def exported_family(shared):
    """``exported_family(model) -> folder``: a tiny model's ``source``, and its ``bundle``; not to be written to."""
    from drawn_by_families import module_of  # noqa: PLC0415 - it imports diffusers

    models = module_of(Path(__file__).parents[1] / "exporters" / "conftest.py")

    def exported_family(model):
        def make(folder):
            model.build(folder / "source", tokenizer=models.write_tokenizer, perturb=models.perturb)
            with models.traced_once(shared):  # several models have the same VAE, or the same text encoder
                edgediff.export(folder / "source", folder / "bundle")

        return shared(f"family-{model.name}", make)

    return exported_family
