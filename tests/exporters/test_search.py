"""The search for a mixture of precisions: what it chooses, in what time, and what it leaves when it is ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest

pytest.importorskip("torch")

from edgediff_exporters.mixing import search_prompts, target_missing_db
from edgediff_exporters.quantization import Layer
from edgediff_exporters.quantization.search import Budget, Trial, find_mixture, preference, rank
from edgediff_exporters.trials import TrialOptions, plan_trials
from edgediff_runtimes.bundle import SearchPoint
from edgediff_runtimes.errors import SettingError

FLOOR = 1e-5
COUNT = 24
LAYERS = tuple(Layer(f"layer{index}", "Conv", (100, 1 + index % 5), 100 * (1 + index % 5)) for index in range(COUNT))
# Uneven, as layers are: a few make nearly all of the error, and they do not lie beside each other.
NOISE = {layer.name: 10 ** -(2 + (7 * index % COUNT) / 6) for index, layer in enumerate(LAYERS)}


@dataclass
class FakeBench:
    """Errors that add up; pictures whose PSNR follows them with a slope of its own; a clock that trials move on."""

    target: float
    slope: float = 1.0
    noise_seconds: float = 1.0
    draw_seconds: float = 5.0
    now: float = 0.0
    asked: list = field(default_factory=list)

    def clock(self):
        return self.now

    def noise(self, lifted):
        self.now += self.noise_seconds
        self.asked.append(("noise", tuple(lifted)))
        return self._noise(lifted)

    def draw(self, lifted):
        self.now += self.draw_seconds
        self.asked.append(("draw", tuple(lifted)))
        psnr = self.psnr(lifted)
        size = 1000 + sum(layer.elements for layer in LAYERS if layer.name in set(lifted))
        return Trial(SearchPoint(tuple(lifted), size, psnr, 0.9), self.target - psnr)

    def psnr(self, lifted):
        return 10 + self.slope * -10 * math.log10(self._noise(lifted))

    def _noise(self, lifted):
        return FLOOR + sum(noise for name, noise in NOISE.items() if name not in set(lifted))


def searched(bench, seconds=10_000.0):
    return find_mixture(LAYERS, bench, Budget.start(seconds, bench.clock))


def smallest_prefix(bench):
    """What trying every number of groups would find."""
    ranking = rank(LAYERS, FakeBench(bench.target), Budget.start(10_000.0, lambda: 0.0))
    trials = [bench.draw(ranking.lifted(count)) for count in range(len(ranking.groups) + 1)]
    return min(trials, key=preference).point


@pytest.mark.parametrize("slope", [1.0, 0.5, 1.7])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_it_finds_the_smallest_mixture_that_holds_however_far_off_its_forecast_is(share, slope):
    ends = [FakeBench(0, slope).psnr(lifted) for lifted in ((), [layer.name for layer in LAYERS])]
    bench = FakeBench(ends[0] + share * (ends[1] - ends[0]), slope)
    search = searched(bench)
    chosen = search.points[search.chosen]
    assert chosen.psnr_db >= bench.target
    assert chosen == smallest_prefix(bench)
    assert 0 < len(chosen.lifted) < COUNT


def test_it_starts_from_all_int8_and_searches_nothing_where_that_holds():
    bench = FakeBench(target=0)
    search = searched(bench)
    assert [point.lifted for point in search.points] == [()]
    assert bench.asked == [("draw", ())]


def test_the_forecast_saves_trials():
    bench = FakeBench(target=34.0)
    points = searched(bench).points
    assert len(points) <= 3  # all-int8, what was foretold, and perhaps one that proves that less is too little
    ranking = rank(LAYERS, FakeBench(0), Budget.start(10_000.0, lambda: 0.0))
    assert points[1].lifted == ranking.lifted(ranking.count_for(34.0 - points[0].psnr_db))


def test_where_nothing_holds_the_best_is_chosen():
    search = searched(FakeBench(target=200))
    best = max(range(len(search.points)), key=lambda index: search.points[index].psnr_db)
    assert search.chosen == best
    assert len(search.points[best].lifted) == COUNT


def test_layers_are_ranked_by_error_per_byte_and_loud_groups_are_split():
    bench = FakeBench(0)
    ranking = rank(LAYERS, bench, Budget.start(10_000.0, bench.clock))
    worth = [group.noise / sum(layer.elements for layer in group.layers) for group in ranking.groups]
    assert worth == sorted(worth, reverse=True)
    assert sorted(layer.name for group in ranking.groups for layer in group.layers) == sorted(NOISE)
    all_noise = sum(NOISE.values())
    assert all(len(group.layers) == 1 or group.noise <= 0.01 * all_noise for group in ranking.groups)
    assert ranking.floor == pytest.approx(FLOOR)
    assert sum(group.noise for group in ranking.groups) == pytest.approx(all_noise)


@pytest.mark.parametrize("seconds", [0.0, 4.0, 12.0, 30.0, 61.0, 100.0])
def test_it_keeps_to_its_time(seconds):
    bench = FakeBench(target=36.5)
    search = searched(bench, seconds)
    assert search.points[0].lifted == ()  # measured whatever the time
    assert bench.now <= max(seconds, bench.draw_seconds)
    held = [point for point in search.points if point.psnr_db >= bench.target]
    expected = min(held, key=lambda point: point.bytes) if held else max(search.points, key=lambda point: point.psnr_db)
    assert search.points[search.chosen] == expected


def test_less_time_gives_a_coarser_ranking():
    counts = []
    for seconds in (10.0, 20.0, 60.0):
        bench = FakeBench(0)
        counts.append(len(rank(LAYERS, bench, Budget.start(seconds, bench.clock)).groups))
        assert bench.now <= seconds / 2 + bench.noise_seconds
    assert counts == sorted(set(counts))


def test_it_is_deterministic():
    first, second = FakeBench(36.0), FakeBench(36.0)
    assert searched(first, 70.0) == searched(second, 70.0)
    assert first.asked == second.asked


def test_a_target_is_held_by_the_mean_less_its_standard_error():
    psnr = [30.0, 34.0, 32.0, 36.0]
    error = math.sqrt(sum((value - 33) ** 2 for value in psnr) / 3) / 2
    assert target_missing_db(psnr, [0.9] * 4, min_psnr=33, min_ssim=None) == pytest.approx(error)
    assert target_missing_db([33.0], [0.9], min_psnr=33, min_ssim=None) == 0


def test_a_floor_of_ssim_counts_where_it_is_further_off():
    assert target_missing_db([40.0] * 4, [0.9] * 4, min_psnr=35, min_ssim=0.99) == pytest.approx(10)
    assert target_missing_db([20.0] * 4, [0.9] * 4, min_psnr=35, min_ssim=0.99) == pytest.approx(15)
    assert target_missing_db([40.0] * 4, [0.995] * 4, min_psnr=35, min_ssim=0.99) < 0


def test_a_search_draws_neither_the_gates_prompts_nor_first_those_of_calibration():
    trials = plan_trials(TrialOptions(), calibrated=True, measured=True, searched=True)
    prompts = search_prompts(trials)
    assert len(set(prompts)) == len(prompts)
    assert not {*prompts} & {*trials.evaluation}
    assert not {*prompts} & {*trials.calibration[: trials.calibration_pictures]}


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf, "ten"])
def test_a_time_that_means_nothing_is_refused(minutes):
    with pytest.raises(SettingError, match="search_minutes"):
        plan_trials(TrialOptions(search_minutes=minutes), calibrated=True, measured=True, searched=True)


def test_a_time_without_a_search_is_refused():
    with pytest.raises(SettingError, match=r"search_minutes.*mixed"):
        plan_trials(TrialOptions(search_minutes=5), calibrated=True, measured=True)


def test_a_search_whose_result_nobody_measures_is_refused():
    with pytest.raises(SettingError, match=r"evaluation_pictures.*mixed"):
        plan_trials(TrialOptions(evaluation_pictures=0), calibrated=True, measured=True, searched=True)
