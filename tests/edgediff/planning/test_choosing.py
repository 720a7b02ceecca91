"""The choice among candidates is a function of their figures and the budget."""

from __future__ import annotations

import pytest

from edgediff.planning.budget import Budget
from edgediff.planning.choosing import choose


def _bundles(choice):
    return [one.candidate.bundle for one in choice.rejected]


def test_quality_is_best_where_memory_and_time_are_limited(candidate):
    fp32, w8, int8 = candidate("fp32", time=30, db=120), candidate("w8", time=19, db=45), candidate("int8", db=38)
    choice = choose([int8, fp32, w8], Budget.read(memory="8GB", latency="20s", min_psnr=None, prefer=None))
    assert (choice.plan, choice.fits, choice.excess) == (w8, True, "")
    assert _bundles(choice) == ["int8", "fp32"]
    assert [one.reason for one in choice.rejected] == ["38.0 dB", "30 s, at most 20 s asked"]
    assert [one.fits for one in choice.rejected] == [True, False]


def test_time_is_best_where_quality_is_limited(candidate):
    fp32, w8, int8 = candidate("fp32", time=30, db=120), candidate("w8", time=19, db=45), candidate("int8", db=38)
    choice = choose([fp32, w8, int8], Budget.read(memory=None, latency=None, min_psnr=35, prefer=None))
    assert choice.plan is int8
    assert [one.reason for one in choice.rejected] == ["4.75 times as long", "7.50 times as long"]
    choice = choose([fp32, w8, int8], Budget.read(memory=None, latency=None, min_psnr=40, prefer=None))
    assert choice.plan is w8
    assert choice.rejected[-1].reason == "38.0 dB, at least 40 dB asked"


def test_memory_may_be_preferred(candidate):
    small, quick = candidate("small", memory=1e9, time=9), candidate("quick", memory=3e9, time=1)
    assert choose([small, quick], Budget.read(memory=None, latency=None, min_psnr=None, prefer="memory")).plan is small
    assert choose([small, quick], Budget.read(memory=None, latency=None, min_psnr=None, prefer="time")).plan is quick


def test_what_is_not_proven_does_not_keep_to_a_quality(candidate):
    unproven, proven = candidate("unproven", time=1, db=None), candidate("proven", time=9, db=36)
    choice = choose([unproven, proven], Budget(min_psnr=35, prefer="time"))
    assert choice.plan is proven
    assert choice.rejected[0].reason == "quality not proven (nobody measured it)"
    assert choose([unproven, proven], Budget(prefer="time")).plan is unproven
    assert choose([unproven, proven], Budget(prefer="quality")).plan is proven


def test_memory_that_is_not_known_keeps_to_no_limit_of_it(candidate):
    unknown, known = candidate("unknown", time=1, memory=None), candidate("known", time=9)
    choice = choose([unknown, known], Budget(memory=10**10, prefer="time"))
    assert choice.plan is known
    assert choice.rejected[0].reason == "its memory is not known"
    assert choose([unknown, known], Budget(prefer="time")).plan is unknown


def test_of_two_that_take_about_as_long_the_next_picture_decides(candidate):
    freed, kept = candidate("freed", time=10.0, memory=1e9), candidate("kept", time=10.1, memory=2e9, further=4)
    assert choose([freed, kept], Budget(prefer="time")).plan is kept
    assert choose([freed, kept], Budget(prefer="quality")).plan is kept
    assert choose([freed, kept], Budget(prefer="time", memory=15 * 10**8)).plan is freed


def test_quality_beyond_the_ceiling_is_alike(candidate):
    exact, near = candidate("exact", db=120, time=9), candidate("near", db=61, time=3)
    assert choose([exact, near], Budget(prefer="quality")).plan is near


@pytest.mark.parametrize(
    ("budget", "nearest"),
    [
        (Budget(memory=10**9), "int8"),  # twice too large, where fp32 is six times
        (Budget(latency=1.0), "int8"),
        (Budget(memory=10**9, latency=25.0, min_psnr=100), "fp32"),  # 60 dB are missing: no memory makes up for it
        (Budget(memory=10**9, min_psnr=40), "w8"),
    ],
)
def test_an_impossible_budget_has_a_nearest_plan(candidate, budget, nearest):
    found = [
        candidate("fp32", time=30, memory=6e9, db=120),
        candidate("w8", time=19, memory=3e9, db=45),
        candidate("int8", time=4, memory=2e9, db=30),
    ]
    choice = choose(found, budget)
    assert (choice.plan.bundle, choice.fits) == (nearest, False)
    assert choice.excess
    assert len(choice.rejected) == 2
    assert not any(one.fits for one in choice.rejected)


def test_every_fault_is_told(candidate):
    choice = choose([candidate("int8", time=4, memory=2e9, db=30)], Budget(memory=10**9, latency=2, min_psnr=35))
    assert choice.excess == "2 GB of memory, at most 1 GB asked, 4 s, at most 2 s asked, 30.0 dB, at least 35 dB asked"


def test_a_setting_is_weighed_against_the_same_plan_without_it(candidate):
    kept = candidate("int8", time=10, memory=3e9, further=4)
    freed = candidate("int8", time=10.5, memory=1e9, residency="sequential")
    saving = candidate("int8", time=12, memory=0.5e9, residency="sequential", low_memory=True)
    other = candidate("w8", time=19, memory=2e9, db=45, residency="sequential")
    choice = choose([kept, freed, saving, other], Budget(memory=15 * 10**8, prefer="time"))
    assert choice.plan is freed
    trades = {trade.name: trade for trade in choice.trades}
    assert trades.keys() == {"residency", "low_memory", "bundle"}
    assert (trades["residency"].chosen, trades["residency"].other) == ("sequential", "resident")
    assert (trades["residency"].time_s, trades["residency"].next_time_s) == (0.5, 6.5)
    assert trades["residency"].memory_bytes == -2 * 10**9
    assert trades["residency"].psnr_db is None
    assert trades["bundle"].psnr_db == -5.0


def test_nothing_limits_a_choice_without_a_budget(candidate):
    choice = choose(
        [candidate(db=None, memory=None)], Budget.read(memory=None, latency=None, min_psnr=None, prefer=None)
    )
    assert (choice.fits, choice.rejected, choice.trades) == (True, (), ())
