"""A token ends one run, once, from any thread."""

from __future__ import annotations

import threading

import pytest

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.errors import Cancelled

PATIENCE_S = 20  # how long a test that would hang waits before it fails


def test_nothing_happens_before_cancel():
    token = CancelToken()
    token.check()
    assert not token.cancelled
    with token.interrupting(pytest.fail):
        pass


def test_check_raises_after_cancel():
    token = CancelToken()
    token.cancel()
    assert token.cancelled
    with pytest.raises(Cancelled):
        token.check()


def test_cancel_interrupts_the_block():
    token, interrupted = CancelToken(), []
    with token.interrupting(lambda: interrupted.append(1)):
        token.cancel()
    assert interrupted == [1]


def test_cancel_after_the_block_interrupts_nothing():
    token, interrupted = CancelToken(), []
    with token.interrupting(lambda: interrupted.append(1)):
        pass
    token.cancel()
    assert interrupted == []


def test_the_block_does_not_run_after_cancel():
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled), token.interrupting(pytest.fail):
        pytest.fail("the block ran")


def test_an_error_in_the_block_lets_go_of_the_interrupt():
    token, interrupted = CancelToken(), []
    with pytest.raises(KeyError), token.interrupting(lambda: interrupted.append(1)):
        raise KeyError
    token.cancel()
    assert interrupted == []


def test_cancel_from_another_thread_interrupts():
    token, interrupted = CancelToken(), threading.Event()
    with token.interrupting(interrupted.set):
        threading.Thread(target=token.cancel).start()
        assert interrupted.wait(PATIENCE_S)


def test_a_signal_handler_may_cancel_at_any_moment():
    """A handler runs between two lines of the thread that draws, also while that holds the token's lock."""
    token, interrupted = CancelToken(), []

    def handler_strikes():
        with token._lock:
            token.cancel()

    thread = threading.Thread(target=handler_strikes, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    with pytest.raises(Cancelled), token.interrupting(lambda: interrupted.append(1)):
        pytest.fail("the block ran")
