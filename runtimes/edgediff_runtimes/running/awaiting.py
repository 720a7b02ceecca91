"""Waiting in an event loop for what a thread computes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], *, end: Callable[[], None]) -> T:
    """Do blocking work on a thread of the running loop's default executor, so that the loop goes on meanwhile.

    Args:
        work: What to do. It must not raise ``StopIteration``, which no future can carry.
        end: Makes ``work`` return or raise soon. It is called when the waiting task is cancelled; the thread is then
            waited for, so that nothing computes any more once the task is over.

    Returns:
        What ``work`` returned.

    Raises:
        asyncio.CancelledError: The task was cancelled.
    """
    import asyncio  # noqa: PLC0415 - who calls this has it loaded; others do without, for it takes a while

    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        # Without the shield a cancelled task would leave the thread at work behind.
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        end()
        while not thread.done():
            with contextlib.suppress(asyncio.CancelledError):  # again, while it is waited for; once is enough
                await asyncio.wait([thread])
        if not thread.cancelled():
            thread.exception()  # looked at, or the loop complains that nobody did
        raise
