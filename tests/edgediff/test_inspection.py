"""``inspect`` shows a bundle's quality: a table, charts of its figures, and the pictures drawn again."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from edgediff.cli.quality_tables import print_quality
from edgediff.inspection import grid as grid_module
from edgediff.inspection.charts import charts
from edgediff.inspection.grid import AMPLIFIED, quality_grid, sheet
from edgediff_runtimes.bundle import Bundle, Search, SearchPoint, TaskMetric
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.quality import Reference, Runner, draw

SEARCH = Search(
    (
        SearchPoint((), 5_000_000, 28.1, 0.93, 0.31),
        SearchPoint(("a", "b"), 6_000_000, 36.2, 0.98, 0.37),
        SearchPoint(("a",), 5_400_000, 31.0, 0.95, 0.33),
    ),
    1,
)


@pytest.fixture(scope="module")
def bundle(measured):
    return Bundle.open(measured)


@pytest.fixture
def report(bundle):
    return bundle.manifest.quality


@pytest.fixture
def searched(measured_copy, report):
    """A bundle whose manifest has everything that a report can have."""
    metric = TaskMetric("pictures that are right", 0.98, 0.97)
    full = dataclasses.replace(report, search=SEARCH, task_metric=metric, latency_ratio=0.5)
    manifest = dataclasses.replace(Bundle.open(measured_copy).manifest, quality=full)
    (measured_copy / "edgediff.json").write_text(manifest.to_json(), encoding="utf-8")
    return measured_copy


def test_the_tables_have_every_figure_of_the_whole_and_of_the_components(command, searched, report):
    outcome = command("inspect", searched)
    assert (outcome.code, outcome.err) == (0, "")
    lines = {line.split("  ")[0]: re.split(r" {2,}", line) for line in outcome.out.splitlines()}
    assert "quality against fp32: 3 pictures of 64x64, 3 steps, guidance 3" in lines
    assert lines["PSNR"] == ["PSNR", f"{report.psnr_db.mean:.2f} dB", f"{report.psnr_db.worst:.2f} dB"]
    assert lines["SSIM"] == ["SSIM", f"{report.ssim.mean:.4f}", f"{report.ssim.worst:.4f}"]
    for role, part in report.components.items():
        levels = (
            [f"{part.levels[i].snr_db:.1f} dB" for i in (0, len(part.levels) // 2, -1)] if part.levels else ["-"] * 3
        )
        alone = ["-", "-"] if part.alone is None else [f"{part.alone.psnr_db:.1f} dB", f"{part.alone.ssim:.4f}"]
        (row,) = (
            cells
            for line in outcome.out.splitlines()
            if (cells := re.split(r" {2,}", line))[0] == role and len(cells) == 8
        )
        assert row == [role, "f32", f"{part.snr_db:.1f} dB", *levels, *alone]
    assert "pictures that are right: 0.9700, fp32 0.9800" in outcome.out
    assert "time of a call of the network: 0.50 of fp32's" in outcome.out
    assert re.search(r"^chosen +2 +6 MB +36\.2 dB +0\.9800 +0\.37$", outcome.out, re.MULTILINE)
    assert outcome.out.count("chosen") == 1


def test_calls_that_were_computed_again_are_told(capsys, report):
    unet = dataclasses.replace(report.components["unet"], execution="f16", rescued=7)
    print_quality(dataclasses.replace(report, components={"unet": unet}))
    assert re.search(r"^unet +f16, 7 calls again in f32 +", capsys.readouterr().out, re.MULTILINE)


def test_a_bundle_that_was_not_measured_says_so(command, golden, tmp_path):
    assert "quality:    not measured\n" in command("inspect", golden / "bundle").out
    for option, name in (("--grid", "x.png"), ("--plot", "x.svg")):
        outcome = command("inspect", golden / "bundle", option, tmp_path / name)
        assert (outcome.code, outcome.out) == (1, "")
        assert f"`{option[2:]}` is 'bundle': expected a bundle whose quality was measured" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_charts_are_drawn_of_what_there_is(report):
    assert len(charts(report)) == 2
    assert len(charts(dataclasses.replace(report, search=SEARCH))) == 4
    untimed = Search(tuple(dataclasses.replace(point, latency_ratio=None) for point in SEARCH.points), 1)
    assert len(charts(dataclasses.replace(report, search=untimed))) == 3
    bare = {role: dataclasses.replace(part, alone=None) for role, part in report.components.items()}
    assert len(charts(dataclasses.replace(report, components=bare))) == 1


def test_charts_show_the_manifest_s_figures(report):
    noise, attribution, size, latency = charts(dataclasses.replace(report, search=SEARCH))
    for level in report.components["unet"].levels:
        assert f"<title>unet: {level.timestep:.4g}, {level.snr_db:.4g}</title>" in noise
    assert "text_encoder (no noise level)" in noise
    error = 255 * 10 ** (-report.psnr_db.mean / 20)
    assert attribution.count(f"{error:.3g} of 255 (RMS)") == 2  # the U-Net alone, and the whole, which is the same here
    assert attribution.count(">0 of 255 (RMS)") == 2
    assert "<title>chosen: 6, 36.2</title>" in size
    assert [float(x) for x in re.findall(r"<title>tried: ([\d.]+)", size)] == [5, 5.4, 6]
    assert "<title>chosen: 0.37, 36.2</title>" in latency


def test_a_component_worse_than_noise_stays_on_the_chart(report):
    parts = {role: dataclasses.replace(part, snr_db=-7.0, levels=()) for role, part in report.components.items()}
    (chart, _) = charts(dataclasses.replace(report, components=parts))
    heights = [float(y) for points in re.findall(r'points="([^"]+)"', chart) for y in re.findall(r",([\d.]+)", points)]
    assert len(heights) == 2 * len(parts)
    assert max(heights) <= max(float(y) for y in re.findall(r'class="grid" x1="64" x2="836" y1="([\d.]+)"', chart))


def test_the_plot_is_one_svg_file(command, searched, tmp_path):
    outcome = command("inspect", searched, "--json", "--plot", tmp_path / "q.svg")
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out)["quality"]["search"]["chosen"] == 1
    root = ET.parse(tmp_path / "q.svg").getroot()  # noqa: S314 - our own text
    assert len(root.findall("{http://www.w3.org/2000/svg}svg")) == 4


def test_the_grid_shows_both_pictures_and_eight_times_their_difference(bundle):
    seen = []
    grid = np.asarray(quality_grid(bundle, on_progress=lambda *event: seen.append(event)))
    assert seen[-1] == ("pictures", 3, 3)
    reference = Reference.of(bundle)
    drawn = list(draw(Runner(bundle), reference))
    for expected, got in zip(reference.pictures, drawn, strict=True):
        difference = np.minimum(AMPLIFIED * np.abs(expected.astype(int) - got), 255)
        for picture in (expected, got, difference):
            assert _contains(grid, picture.repeat(3, axis=0).repeat(3, axis=1))  # 64 pixels become 192


def _contains(sheet_, picture):
    height, width, _ = picture.shape
    corners = np.argwhere((sheet_[: -height + 1, : -width + 1] == picture[0, 0]).all(axis=2))
    return any(np.array_equal(sheet_[y : y + height, x : x + width], picture) for y, x in corners)


@pytest.mark.parametrize(
    ("shape", "count", "size"),
    [
        ((64, 64), 1, (616, 17 + 242 + 8)),
        ((64, 64), 4, (2 * 608 + 8, 17 + 2 * 242 + 8)),
        ((64, 64), 12, (3 * 608 + 8, 17 + 4 * 242 + 8)),
        ((512, 768), 2, (3 * 776 + 16, 17 + 2 * (512 + 50) + 8)),
    ],
)
def test_small_pictures_stand_in_groups_and_large_ones_below_each_other(shape, count, size):
    pictures = np.zeros((count, *shape, 3), np.uint8)
    prompts = tuple("a very long prompt, " * 20 for _ in range(count))
    reference = Reference(prompts, tuple(range(count)), 1, 1.0, pictures, (), "x 1")
    assert sheet(reference, list(pictures)).size == size


def test_the_command_writes_the_grid(command, measured, tmp_path):
    outcome = command("inspect", measured, "--grid", tmp_path / "q.png")
    assert (outcome.code, outcome.err) == (0, "")
    with Image.open(tmp_path / "q.png") as image:
        assert image.mode == "RGB"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["q.png"]


@pytest.mark.parametrize(
    ("option", "target", "sentence"),
    [
        ("--grid", "q.jpg", "expected a file that ends in .png"),
        ("--plot", "q.png", "expected a file that ends in .svg"),
        ("--grid", "nowhere/q.png", "expected a file that can be written"),
        ("--plot", "nowhere/q.svg", "expected a file that can be written"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_anything_is_drawn(command, tmp_path, option, target, sentence):
    outcome = command("inspect", tmp_path / "no-bundle", option, tmp_path / target)
    assert (outcome.code, outcome.out) == (1, "")
    assert sentence in outcome.err.splitlines()[0]


@pytest.mark.parametrize(("option", "name"), [("--grid", "q.png"), ("--plot", "q.svg")])
def test_a_file_that_is_there_is_replaced_only_when_asked(command, measured, tmp_path, option, name):
    (tmp_path / name).write_text("mine", encoding="utf-8")
    outcome = command("inspect", measured, option, tmp_path / name)
    assert (outcome.code, outcome.out) == (1, "")
    told = f"error: the file `{tmp_path / name}` is there already: expected a name that is free"
    assert outcome.err.splitlines() == [told, "hint: `--overwrite` replaces it"]
    assert (tmp_path / name).read_text("utf-8") == "mine"
    assert command("inspect", measured, option, tmp_path / name, "--overwrite").code == 0
    assert (tmp_path / name).read_bytes() != b"mine"


def test_the_grid_is_drawn_with_the_threads_that_the_manifest_names(bundle, monkeypatch):
    asked = []

    def runner(_bundle, placement):
        asked.append(placement.threads)
        raise SettingError("threads", got=placement.threads, expected="none, this is a test")

    quality = dataclasses.replace(bundle.manifest.quality, threads=3)
    changed = dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, quality=quality))
    monkeypatch.setattr(grid_module, "Runner", runner)
    with pytest.raises(SettingError):
        quality_grid(changed, on_progress=lambda *_: None)
    assert asked == [3]


def test_a_record_that_was_changed_is_not_drawn(measured_copy):
    path = measured_copy / "quality" / "reference.npz"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"\1")
    with pytest.raises(OSError, match="was altered"):
        quality_grid(Bundle.open(measured_copy), on_progress=lambda *_: None)


def test_grid_without_a_record_is_refused(golden):
    with pytest.raises(SettingError, match="`grid` is 'bundle'"):
        quality_grid(Bundle.open(golden / "bundle"), on_progress=lambda *_: None)
