"""Where there is no terminal, long work tells what it is at, a line every few seconds, on stderr alone."""

from __future__ import annotations

import threading

import pytest

from edgediff.cli import progress as module
from edgediff.cli.progress import progress


@pytest.fixture
def lines(monkeypatch):
    """What is printed, and an event that is set once something is."""
    printed, told = [], threading.Event()

    def echo(text, *, err):
        assert err
        printed.append(text)
        told.set()

    monkeypatch.setattr(module.click, "echo", echo)
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    return printed, told


def test_a_stage_that_says_nothing_for_long_is_told(lines):
    printed, told = lines
    with progress("reading the source") as show:
        assert told.wait(60)
        show("unet: trace", 3, 14)
        told.clear()
        assert told.wait(60)
        told.clear()
        assert told.wait(60)
    assert printed[0].startswith("reading the source, ")
    assert printed[-1].startswith("unet: trace, 3/14, ")
    assert printed[-1].endswith(" s")


def test_bytes_are_told_in_per_cent(lines):
    printed, told = lines
    with progress("unet: write", total=4_000_000_000) as show:
        show("unet: write", 1_000_000_000, 4_000_000_000)
        told.clear()
        assert told.wait(60)
        told.clear()
        assert told.wait(60)
    assert printed[-1].startswith("unet: write, 25%, ")


def test_the_thread_ends_with_the_work(lines):
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), progress("drawing"):
        raise KeyboardInterrupt
    assert threading.active_count() == before
    assert lines[0] == [] or lines[0][0].startswith("drawing, ")


def test_what_is_quick_says_nothing(capsys):
    with progress("drawing") as show:
        show("drawing", 1, 1)
    assert capsys.readouterr() == ("", "")
