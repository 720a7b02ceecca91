"""What a bundle recommends: the family's numbers, or those that were asked for."""

from __future__ import annotations

import pytest

from edgediff_exporters import export
from edgediff_exporters.component_export import _public
from edgediff_runtimes.errors import SettingError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stepz": 3}, "is 'stepz': expected one of steps, guidance, width, height"),
        ({"steps": 0}, "expected a number for guidance and whole ones else"),
        ({"width": 1.5}, "expected a number for guidance and whole ones else"),
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


def test_a_config_does_not_tell_where_its_module_came_from():
    assert _public({"_name_or_path": "/home/me/vae", "scaling_factor": 1.0}) == {"scaling_factor": 1.0}
