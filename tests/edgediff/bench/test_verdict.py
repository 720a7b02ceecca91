"""Which of the cases is the fastest within what is asked, and what a comparison fails for."""

from __future__ import annotations

import json

import pytest

from edgediff.bench.comparing import compare, grown, missing
from edgediff.bench.verdict import Limits, verdicts

QUALITY = {"psnr_db": {"mean": 38.4, "worst": 30.0}}


def test_the_fastest_is_named_and_how_far_the_others_are_behind(make_report):
    (verdict,) = verdicts(make_report({"slow": [2.0, 2.2], "quick": [1.0, 1.1]}), Limits())
    assert verdict.fastest == "quick, 64x64, 2 steps"
    assert verdict.lines == (
        "fastest: quick, 64x64, 2 steps: 1.05 s a run, 0 MB at most, fp32",
        "slow, 64x64, 2 steps: 2.1 s a run, 0 MB at most, fp32, 2.00 times as long",
    )


@pytest.mark.parametrize("times", [{"a": [1.0], "b": [2.0]}, {"a": [1.0, 1.5], "b": [1.1, 1.4]}])
def test_what_the_rounds_do_not_show_is_said(make_report, times):
    assert "rounds do not show for certain" in verdicts(make_report(times), Limits())[0].lines[1]


def test_beyond_the_memory_asked_a_case_is_left_out(make_report):
    report = make_report({"quick": [1.0], "slow": [2.0]})
    report["cases"][0]["works"][0]["summary"]["peak_rss_bytes"]["max"] = 3e9
    (verdict,) = verdicts(report, Limits(memory=2 * 10**9))
    assert verdict.fastest == "slow, 64x64, 2 steps"
    assert verdict.lines[-1] == "left out: quick, 64x64, 2 steps: 3000 MB of memory, at most 2000 MB asked"


def test_below_the_quality_asked_a_case_is_left_out_and_so_is_one_that_nobody_measured(make_report):
    report = make_report({"int8": [1.0], "fp32": [4.0], "w8": [2.0], "unknown": [1.5]})
    for case, mean in ((report["cases"][0], 30.0), (report["cases"][2], 45.0)):
        case["quality"] = {"psnr_db": {"mean": mean, "worst": mean}}
    report["cases"][3]["precision"] = {"unet": "int8"}
    (verdict,) = verdicts(report, Limits(psnr_db=35))
    assert verdict.fastest == "w8, 64x64, 2 steps"
    assert "fp32, 64x64, 2 steps: 4 s a run, 0 MB at most, fp32" in verdict.lines[1]
    assert verdict.lines[2:] == (
        "left out: int8, 64x64, 2 steps: 30.0 dB, at least 35 dB asked",
        "left out: unknown, 64x64, 2 steps: its quality was not measured",
    )


def test_fp32_that_is_computed_in_less_has_no_known_quality(make_report):
    report = make_report({"a": [1.0]})
    report["cases"][0]["execution"] = {"unet": "bf16"}
    assert verdicts(report, Limits(psnr_db=20))[0].fastest is None


def test_where_none_is_left_that_is_the_verdict(make_report):
    (verdict,) = verdicts(make_report({"a": [1.0]}, quality=QUALITY), Limits(psnr_db=40))
    assert verdict.fastest is None
    assert verdict.lines[0] == "none keeps to what was asked"


def test_what_grew_beyond_the_limit_and_the_spread(make_report):
    old = make_report({"a": [1.0, 1.02]})
    assert grown(compare(old, make_report({"a": [1.05, 1.06]})), percent=10) == []
    assert "total_s" in {row["metric"] for row in grown(compare(old, make_report({"a": [1.2, 1.3]})), percent=10)}
    # The median grew, but one new round was as quick as an old one.
    assert grown(compare(old, make_report({"a": [1.0, 1.9]})), percent=10) == []
    assert grown(compare(old, make_report({"a": [0.5, 0.5]})), percent=0) == []


def test_what_is_not_measured_any_more_is_missing(make_report):
    old, new = make_report({"a": [1.0], "b": [1.0]}), make_report({"a": [1.0], "c": [1.0]})
    assert missing(old, new) == ["b, 64x64, 2 steps"]


@pytest.fixture
def files(make_report, tmp_path):
    """Writes reports and gives their paths."""

    def files(*reports):
        paths = [tmp_path / f"{index}.json" for index, _ in enumerate(reports)]
        for path, cases in zip(paths, reports, strict=True):
            path.write_text(json.dumps(make_report(cases)), "utf-8")
        return paths

    return files


@pytest.mark.parametrize(
    ("new", "code", "said"),
    [
        ({"a": [1.05, 1.06]}, 0, ""),
        (
            {"a": [1.5, 1.5]},
            1,
            "a, 64x64, 2 steps: one run, end to end grew from 1.01 s to 1.5 s, by 48.5 %, more than 10",
        ),
    ],
)
def test_a_comparison_fails_above_the_asked_percent(files, command, new, code, said):
    old, new = files({"a": [1.0, 1.02]}, new)
    done = command("bench", "--compare", old, new, "--fail-above", "10")
    assert done.code == code
    assert said in done.err
    assert "new / old" in done.out


def test_a_comparison_fails_where_a_case_is_gone(files, command):
    old, new = files({"a": [1.0], "b": [1.0]}, {"a": [1.0]})
    assert command("bench", "--compare", old, new).code == 0
    done = command("bench", "--compare", old, new, "--fail-above", "50")
    assert (done.code, done.err) == (1, f"b, 64x64, 2 steps is not in {new}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", "--fail-above", "3"), "--fail-above goes with --compare"),
        (("--compare", "a.json", "b.json", "--fail-above", "-3"), "-3"),
        (("x", "--max-memory", "much"), "'much' is no amount of memory: expected a number of bytes such as 2GB"),
        (("--compare", "a.json", "b.json", "--min-psnr", "30"), "--compare goes alone: got --min-psnr"),
    ],
)
def test_options_that_mean_nothing_are_refused(command, arguments, said):
    done = command("bench", *arguments)
    assert done.code == 2
    assert said in done.err


def test_a_limit_that_nobody_keeps_ends_with_one(bundle, command):
    done = command("bench", bundle, "--repeat", "1", "--steps", "1", "--max-memory", "1kB")
    assert done.code == 1
    assert "none keeps to what was asked\nleft out: bundle, 64x64, 1 steps: " in done.out


def test_cases_that_do_other_work_are_told_apart(make_report):
    report = make_report({"few": [1.0, 1.1], "many": [3.0, 3.3]})
    report["cases"][1]["works"][0]["work"].update(steps=20, guidance=7.5)
    (verdict,) = verdicts(report, Limits())
    assert verdict.lines[-1] == "these are not the same work: the cases differ in steps, guidance"
