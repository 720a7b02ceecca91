"""How busy the machine was, and what that says about the figures."""

from __future__ import annotations

import pytest

from edgediff.bench import busy
from edgediff.bench.busy import ProcessorTime, others_share, processor_time
from edgediff.bench.figures import component_rows, condition_lines
from edgediff.bench.page import page
from edgediff.bench.trust import doubts


def test_what_others_took_is_what_was_busy_and_not_ours():
    before, after = ProcessorTime(all=100.0, busy=50.0, own=10.0), ProcessorTime(all=120.0, busy=64.0, own=16.0)
    assert others_share(before, after) == pytest.approx((14 - 6) / 20)


@pytest.mark.parametrize(
    ("after", "share"),
    [
        (ProcessorTime(all=20.0, busy=5.0, own=5.1), 0.0),  # the kernel's account and ours differ by a tick
        (ProcessorTime(all=0.0, busy=0.0, own=0.0), None),
        (None, None),
    ],
)
def test_a_share_is_a_share_or_is_not_known(after, share):
    assert others_share(ProcessorTime(0.0, 0.0, 0.0), after) == share


def test_the_kernels_account_is_read(monkeypatch, tmp_path):
    (tmp_path / "stat").write_text("cpu  100 0 50 800 40 0 0 10 7 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n", "ascii")
    monkeypatch.setattr(busy, "_STAT", tmp_path / "stat")
    monkeypatch.setattr(busy.os, "sysconf", lambda _: 100, raising=False)
    found = processor_time()
    assert (found.all, found.busy) == (10.0, pytest.approx(1.6))
    monkeypatch.setattr(busy, "_STAT", tmp_path / "none")
    assert processor_time() is None


def test_nothing_is_doubted_on_a_quiet_machine(make_report):
    report = make_report({"a": [1.0, 1.02]})
    report["machine"]["others_share"] = 0.02
    assert doubts(report) == []


def test_a_busy_machine_is_said_to_be_busy(make_report):
    report = make_report({"a": [1.0, 1.02]})
    report["machine"]["others_share"] = 0.61
    (doubt,) = doubts(report)
    assert doubt.startswith("the machine was busy: other programs took 61% of its processors; times are too long")
    assert "Note: the machine was busy" in page(report)
    assert dict(condition_lines(report))["other programs"] == "took 61% of the processors"


def test_where_the_system_tells_only_a_load_that_is_told(make_report):
    report = make_report({"a": [1.0]})
    report["machine"]["load_at_start"] = 1.5
    assert doubts(report)[0].startswith("the machine was busy as this began (load 1.5 on 2 cores)")


def test_rounds_that_differ_are_said_to_differ(make_report):
    (doubt,) = doubts(make_report({"a": [1.0, 1.1, 1.6]}))
    assert doubt.startswith("a, 64x64, 2 steps: the slowest round took 1.60 times as long as the quickest")


def test_more_than_the_machines_limit_is_explained(make_report):
    report = make_report({"a": [1.0, 1.0]})
    work = report["cases"][0]["works"][0]
    work["components"]["unet"]["share_of_matmul_peak"] = 1.31
    (doubt,) = doubts(report)
    assert "the products were measured at a worse moment" in doubt
    assert "131 % (see the notes)" in component_rows(report["cases"][0], work)[0]
