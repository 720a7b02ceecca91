"""What a graph takes from a checkpoint, and what it takes from its module."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgediff_exporters.component_export import export_component
from edgediff_exporters.families import plans_of
from edgediff_exporters.progress import ignore
from edgediff_exporters.sources import open_source

POSITIONS = torch.arange(24)[None]


@pytest.mark.parametrize("found", [POSITIONS * 0.9999, POSITIONS.flip(1)], ids=["merged", "another order"])
def test_buffers_that_no_checkpoint_decides_come_from_the_module(sd1, report, tmp_path, found):
    copy = shutil.copytree(sd1, tmp_path / "model")
    path = copy / "text_encoder" / "model.safetensors"
    save_file({**load_file(path), "text_model.embeddings.position_ids": found}, path)
    source = open_source(copy)
    plan = next(p for p in plans_of("stable-diffusion", source) if p.role == "text_encoder")
    made = export_component(source, plan, tmp_path, "fp32", ignore)
    assert made == report.manifest.components["text_encoder"]  # hashes and measured errors included
