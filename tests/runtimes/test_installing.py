"""The install line names what is missing, on an index that may not have edgediff."""

from __future__ import annotations

from importlib import metadata

import pytest

from edgediff_runtimes.installing import install_line

REQUIRES = [
    "numpy>=1.26",
    "onnxruntime>=1.20",
    "openvino>=2026.4; extra == 'openvino'",
    'torch>=2.9 ; extra == "export"',
    'nncf>=3.0 ; extra == "export"',
]


@pytest.fixture
def there(monkeypatch):
    """The packages that are installed; change it as you like."""
    there = {"numpy", "torch"}

    def version(name):
        if name not in there:
            raise metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(metadata, "requires", lambda _: REQUIRES)
    monkeypatch.setattr(metadata, "version", version)
    return there


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        (None, "pip install 'onnxruntime>=1.20'"),
        ("openvino", "pip install 'openvino>=2026.4'"),
        ("export", "pip install 'nncf>=3.0'"),
        ("npu", "pip install 'edgediff[npu]'"),
    ],
)
def test_what_is_missing_is_named(there, extra, line):
    assert "nncf" not in there
    assert install_line(extra) == line


def test_all_is_named_where_all_is_there(there):
    """It cannot be imported all the same: it may be too old, or damaged."""
    there.add("nncf")
    assert install_line("export") == "pip install 'torch>=2.9' 'nncf>=3.0'"


def test_a_frozen_program_has_no_metadata(monkeypatch):
    def requires(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert install_line("openvino") == "pip install 'edgediff[openvino]'"


def test_no_line_of_ours_names_what_no_index_has():
    for extra in (None, "openvino", "export"):
        assert "edgediff" not in install_line(extra)
