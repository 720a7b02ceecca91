"""What a bundle recommends: the family's numbers, or those that were asked for."""

from __future__ import annotations

import json
import shutil

import pytest

from edgediff_exporters import export
from edgediff_exporters.component_export import public
from edgediff_exporters.opening import open_model
from edgediff_runtimes.errors import SettingError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stepz": 3}, "is 'stepz': expected one of steps, guidance, width, height"),
        ({"steps": 0}, "`defaults.steps` is 0: expected a whole number of at least 1"),
        ({"width": 1.5}, "`defaults.width` is 1.5: expected a whole number of at least 1"),
        ({"width": 99_999_998}, "`defaults.width` is 99999998: expected a whole number of at most 16,384, because"),
        ({"width": None}, "`defaults.width` is None: expected a whole number of at least 1"),
        ({"width": 15, "steps": 3}, r"`defaults` is .*: expected a size that .* \(`width` is 15: .*multiple"),
    ],
)
def test_wrong_defaults_are_refused_before_anything_is_written(sd1, tmp_path, given, words):
    with pytest.raises(SettingError, match=words):
        export(sd1, tmp_path / "bundle", defaults=given)
    assert list(tmp_path.iterdir()) == []


def test_defaults_stand_in_the_manifest_and_in_its_command(sd1, tmp_path):
    manifest = export(sd1, tmp_path / "bundle", defaults={"guidance": 3, "steps": 8}).manifest
    assert (manifest.defaults.guidance, manifest.defaults.steps) == (3.0, 8)
    assert str(manifest.provenance.command).endswith("--default guidance=3 --default steps=8")


@pytest.mark.parametrize(
    ("scheduler", "expected"), [("DDIMScheduler", (20, 7.5)), ("LCMScheduler", (4, 1.0)), ("TCDScheduler", (4, 1.0))]
)
def test_a_plain_pipeline_with_a_distilled_sampler_is_drawn_in_few_steps(sd1, tmp_path, scheduler, expected):
    path = shutil.copytree(sd1, tmp_path / "model") / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({"_class_name": scheduler}))
    defaults = open_model(tmp_path / "model", config=None).recommended({})
    assert (defaults.steps, defaults.guidance) == expected


def test_a_config_does_not_tell_where_its_module_came_from():
    assert public({"_name_or_path": "/home/me/vae", "scaling_factor": 1.0}) == {"scaling_factor": 1.0}
