"""Figures that tests measure, printed at the end of a run; and a bundle whose quality was measured."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

GOLDEN_BUNDLE = Path(__file__).parent / "golden" / "bundle"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """No test finds what the user's cache has, or leaves anything in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEDIFF_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("EDGEDIFF_CACHE_LIMIT", raising=False)
        yield


@pytest.fixture
def figure(record_property):
    """Call it with a line of text to have it printed at the end of the run, also from a worker of xdist."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter):
    reports = [report for report in terminalreporter.getreports("passed") if report.when == "call"]
    figures = [text for report in reports for name, text in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for text in figures:
            terminalreporter.line(text)


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    """The tiny bundle with U-Net weights rounded to six bits, and measured against what it is without that.

    Not to be written to.
    """
    from edgediff_runtimes.bundle import Bundle  # noqa: PLC0415 - only the tests of quality want it
    from edgediff_runtimes.quality import Runner, attribute, make_reference, measure  # noqa: PLC0415 - as above

    folder = shutil.copytree(GOLDEN_BUNDLE, tmp_path_factory.mktemp("measured") / "rounded")
    _round_unet(folder)
    fp32, rounded = Runner(Bundle.open(GOLDEN_BUNDLE)), Runner(Bundle.open(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # twelve tokens are too few for some prompts
        reference = make_reference(fp32, prompts=["a red apple", "the cat", "a blue car"], seed=3)
        report = measure(rounded, reference, record=reference.save(folder))
        report = report.with_attribution(attribute(fp32, rounded, reference))
    manifest = dataclasses.replace(rounded.bundle.manifest, quality=report)
    (folder / "edgediff.json").write_text(manifest.to_json(), encoding="utf-8")
    return folder


@pytest.fixture
def measured_copy(measured, tmp_path):
    """A copy of it to do harm to."""
    return shutil.copytree(measured, tmp_path / "measured")


def _round_unet(folder):
    """Round the convolution's weights (``make_tiny_bundle.py`` draws them second) and tell the manifest."""
    generator = np.random.default_rng(0)
    generator.standard_normal(8)
    kernel = (0.15 * generator.standard_normal((4, 4, 3, 3))).astype(np.float32)
    path = folder / "unet" / "model.onnx"
    data = path.read_bytes()
    assert data.count(kernel.tobytes()) == 1
    step = np.abs(kernel).max() / 31
    path.write_bytes(data.replace(kernel.tobytes(), ((kernel / step).round() * step).tobytes()))
    values = json.loads((folder / "edgediff.json").read_text(encoding="utf-8"))
    values["components"]["unet"]["files"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "edgediff.json").write_text(json.dumps(values), encoding="utf-8")
