from __future__ import annotations

import pytest

from edgediff.bench.energy import joules_between, read_counters


@pytest.fixture
def powercap(tmp_path):
    """Two packages, a part of one, and a zone of another kind."""
    for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "thermal:0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text("1000\n", "ascii")
        (tmp_path / name / "max_energy_range_uj").write_text("9000000\n", "ascii")
    return tmp_path


def test_packages_are_read_and_their_parts_are_not(powercap):
    assert read_counters(powercap) == {"intel-rapl:0": 1000, "intel-rapl:1": 1000}


def test_joules_are_summed_over_packages(powercap):
    before = read_counters(powercap)
    (powercap / "intel-rapl:0" / "energy_uj").write_text("2001000", "ascii")
    (powercap / "intel-rapl:1" / "energy_uj").write_text("501000", "ascii")
    assert joules_between(before, read_counters(powercap), powercap) == 2.5


def test_a_counter_that_began_again_is_made_good(powercap):
    assert joules_between({"intel-rapl:0": 8_500_000}, {"intel-rapl:0": 500_000}, powercap) == 1.0


def test_no_counters_no_joules(tmp_path):
    assert read_counters(tmp_path) == {}
    assert joules_between({}, {}, tmp_path) is None
    assert joules_between({"intel-rapl:0": 1}, {}, tmp_path) is None
