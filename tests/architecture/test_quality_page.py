"""``docs/quality.md`` says what the code does."""

from __future__ import annotations

import re

import pytest

from edgediff_runtimes.quality import CALIBRATION_PROMPTS, EVALUATION_PROMPTS, claims, making, measures


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "quality.md").read_text(encoding="utf-8")


def test_the_example_runs(page, measured_copy, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    measured_copy.rename(measured_copy.with_name("my-bundle"))
    monkeypatch.chdir(measured_copy.parent)
    values = {}
    exec(compile(example, "quality.md", "exec"), values)  # noqa: S102 - the example is ours
    assert values["report"].psnr_db.mean > 35


def test_tolerances_and_limits_are_those_of_the_code(page):
    picture, mean, snr = re.findall(
        r"^\| [^|]*(?:of one picture|of n pictures|of a component,)[^|]*\| (.*) \|$", page, re.MULTILINE
    )
    assert picture == f"{claims.PICTURE_DB:g} dB, {claims.PICTURE_SSIM:g}"
    assert mean.startswith(f"{claims.PICTURE_DB:g} dB / √n, {claims.PICTURE_SSIM:g} / √n")
    for figure in (claims.PICTURE_DB, claims.PICTURE_SSIM):
        assert f"{figure / len(EVALUATION_PROMPTS) ** 0.5:.2g}" in mean
    assert snr == f"{claims.SNR_DB:g} dB"
    assert f"Claims above {claims.CEILING_DB:g} dB are held to {claims.CEILING_DB:g} dB" in page
    assert f"in half precision is held to {claims.HALF_CEILING_DB:g} dB" in page
    assert f"between \N{MINUS SIGN}{measures.MAX_DB:g} and {measures.MAX_DB:g}" in page


def test_numbers_of_prompts_pictures_and_levels_are_those_of_the_code(page):
    words = {2: "two", 6: "six", 12: "twelve"}
    assert f"**Prompts**: {words[len(EVALUATION_PROMPTS)]} of ours" in page
    assert f"up to {words[making.PROBED_LEVELS]} noise levels" in page
    assert f"points of the first {words[making.PROBED_PICTURES]} pictures' trajectories" in page
    assert len(CALIBRATION_PROMPTS) == 2 * len(EVALUATION_PROMPTS)
