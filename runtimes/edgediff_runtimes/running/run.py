"""A run in the hands of the caller: iterated, cancelled, finished."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, final

import numpy as np
from PIL import Image

from edgediff_runtimes.adapters import Adapted
from edgediff_runtimes.canvas import Canvas
from edgediff_runtimes.enlarger import Enlarger
from edgediff_runtimes.errors import Cancelled, OutOfMemoryError
from edgediff_runtimes.parts import Value
from edgediff_runtimes.results import Result, Step
from edgediff_runtimes.running.awaiting import in_thread
from edgediff_runtimes.running.reusing import ReuseOfRun
from edgediff_runtimes.running.stage import StageRun
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.settings.enlarging import IMAGE
from edgediff_runtimes.tensors import Floats


@final
@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing of a run, from noise or from a picture to pictures.

    Attributes:
        stages: What is run, one after the other.
        pictures: What they start from, by option.
        again: The picture of the first drawing that this one draws anew, from 0; None: it starts from none.
        enlarger: What enlarges the picture that is drawn anew, before; None: nothing does.
    """

    stages: Sequence[StageRun]
    pictures: dict[str, Image.Image]
    again: int | None = None
    enlarger: Enlarger | None = None

    def prepare(self, first: Sequence[Image.Image]) -> None:
        """What it starts from, where that is there only now.

        Args:
            first: The pictures of the first drawing, if that is another.
        """
        if self.again is not None:
            self.pictures[IMAGE] = first[self.again]
        if self.enlarger is not None:
            self.pictures[IMAGE] = self.enlarger(self.pictures[IMAGE], cancel=self.stages[0].cancel)


_UNCHANGED = Adapted()


@final
class Run:
    """Yields a ``Step`` after each sampling step, then has the pictures in ``result``.

    A context manager: leaving the block ends the run and lets go of its components, also half-way. It is iterated from
    one thread; ``cancel`` and ``close`` may be called from any. A run that was ended before its pictures were there
    raises ``Cancelled`` when it is iterated further, and one that failed raises its error again.

    In an event loop of asyncio it is ``async for step in run``, in an ``async with`` block: every step is computed on a
    worker thread, and a run whose task is cancelled is ended inside the step and closed.

    Attributes:
        total_steps: How many steps it has.
    """

    def __init__(
        self,
        drawings: Sequence[Drawing],
        *,
        settings: Settings,
        provenance: dict[str, Any],
        reuse: ReuseOfRun | None = None,
        canvas: Canvas | None = None,
        adapted: Adapted = _UNCHANGED,
    ) -> None:
        self._stages = [stage for drawing in drawings for stage in drawing.stages]
        self.total_steps = sum(stage.sampler.steps for stage in self._stages)
        self._drawings = drawings
        self._settings = settings
        self._provenance = provenance
        self._reuse = reuse
        self._canvas = canvas
        self._adapted = adapted
        self._result: Result | None = None
        self._failure: Exception | None = None
        self._steps = self._work()
        self._lock = threading.RLock()  # a generator must not be closed while it computes

    @property
    def settings(self) -> Settings:
        """Every setting of the run, defaults filled in; known before it has begun."""
        return self._settings

    @property
    def result(self) -> Result:
        """The pictures; steps that were not iterated yet are run first.

        Raises:
            Cancelled: The run was cancelled or closed before it was done.
            EdgediffError: The error that ended the run, again.
        """
        while self._result is None:
            next(self, None)
        return self._result

    def cancel(self) -> None:
        """End the run, also inside a step; its iteration raises ``Cancelled``. Returns at once."""
        for stage in self._stages:
            stage.cancel.cancel()

    def close(self) -> None:
        """End the run and let go of its components; a step that another thread is inside of is waited for."""
        self.cancel()
        with self._lock:
            self._steps.close()

    def __iter__(self) -> Run:
        return self

    def __next__(self) -> Step:
        with self._lock:
            try:
                return next(self._steps)
            except StopIteration:
                if self._result is not None:
                    raise
            except Exception as error:
                self._failure = error
                raise
            # A generator that was closed or has failed just stops: a loop must not take that for the end of the run.
            raise self._failure or Cancelled()

    def __aiter__(self) -> Run:
        return self

    async def __anext__(self) -> Step:
        step = await in_thread(lambda: next(self, None), end=self.cancel)
        if step is None:
            raise StopAsyncIteration
        return step

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Run:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await in_thread(self.close, end=self.cancel)

    def _work(self) -> Generator[Step, None, None]:
        last = self._stages[-1]
        began = time.perf_counter()
        drawn: list[tuple[list[Image.Image], Floats]] = []
        done = 0
        try:
            for drawing in self._drawings:
                drawing.prepare(drawn[0][0] if drawn else ())
                before: dict[str, Value] = {}
                for stage in drawing.stages:
                    for step in stage.steps(before):
                        latents = step.latents if stage.stage.schedule.ends == "sample" else step.denoised
                        yield replace(step, index=done + step.index, total=self.total_steps)
                    before[f"stage:{stage.stage.name}"] = Value(latents, "pictures")
                    done += stage.sampler.steps
                drawn.append((drawing.stages[-1].result(latents), latents))
        except MemoryError as error:
            raise _out_of_memory(error, self._drawings[-1].stages[-1].settings) from error
        last.cancel.check()
        last.timings.total_s = time.perf_counter() - began
        results = drawn[1:] or drawn  # of the first drawing, where there are others, those are made
        pictures = [image for images, _ in results for image in images]
        self._result = Result(
            pictures if self._canvas is None else [self._canvas.finished(image) for image in pictures],
            np.concatenate([latents for _, latents in results]),
            self.settings,
            last.timings,
            self._provenance,
            last.computed,
            last.components.residency,
            None if self._reuse is None else self._reuse.report(),
            self._adapted.loras,
            self._adapted.embeddings,
        )


def _out_of_memory(error: MemoryError, settings: Settings) -> OutOfMemoryError:
    """What was asked for, beside what the engine or NumPy says."""
    if isinstance(error, OutOfMemoryError):
        problem = error.problem
    else:
        problem = "there is not enough memory" + (f" ({error})" if str(error) else "")
    count = len(settings.seeds)
    pictures = "a picture" if count == 1 else f"{count} pictures at a time"
    start = "" if not settings.pictures else " from another picture"
    less = "a smaller `width` and `height`" + ("" if count == 1 else ", fewer `images`") + " and `low_memory=True`"
    return OutOfMemoryError(
        problem, work=f"{pictures} of {settings.width}x{settings.height} pixels{start}", hint=f"{less} need less"
    )
