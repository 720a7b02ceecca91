"""Private memory, lap by lap."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from edgediff.bench import short_run
from edgediff.bench.short_run import Laps

MB = 1_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_a_lap_has_what_was_taken_and_given_back_within_it(tmp_path):
    path = tmp_path / "mapped"
    path.write_bytes(b"x" * 50 * MB)
    with Laps() as laps:
        laps.end("rest", "unet")
        kept = np.ones(30 * MB, np.uint8)
        laps.end("load", "unet")
        for _ in range(20):  # long enough for some samples
            np.ones(60 * MB, np.uint8).sum()
        laps.end("rest", "vae")
        mapped = np.memmap(path, np.uint8)
        mapped.sum()
        laps.end("load", "vae")
        del kept, mapped
        laps.end("use", "vae")
        laps.end("free", "vae")
        laps.end("rest")
    assert [(lap.what, lap.role) for lap in laps.done] == [
        ("rest", ""),
        ("load", "unet"),
        ("use", "unet"),
        ("load", "vae"),
        ("use", "vae"),
        ("free", "vae"),
        ("rest", ""),
    ]
    _, load, use, mapping, *_ = laps.done
    assert load.end - load.begin == pytest.approx(30 * MB, abs=3 * MB)
    assert use.peak - use.begin == pytest.approx(60 * MB, abs=6 * MB)
    assert use.end - use.begin < 6 * MB
    assert mapping.peak - mapping.begin < 10 * MB  # pages of a file are not private


def test_a_sample_is_of_the_lap_in_which_it_was_taken(monkeypatch):
    looking, go = threading.Event(), threading.Event()
    laps = Laps()
    sampler = threading.Thread(target=laps.sample)

    def private():
        if threading.current_thread() is not sampler:
            return 100
        looking.set()
        go.wait(timeout=60)
        return 900

    monkeypatch.setattr(short_run, "_private", private)
    ended = threading.Thread(target=laps.end, args=("rest", "unet"))
    laps._begin = 100
    sampler.start()
    looking.wait(timeout=60)
    ended.start()  # while the sampler looks
    ended.join(timeout=0.2)
    go.set()
    sampler.join(timeout=60)
    ended.join(timeout=60)
    laps.end("load", "unet")
    assert [lap.peak for lap in laps.done] == [900, 100]
