"""Drawing from an event loop: ``await pipeline.draw(...)`` and ``async for step in pipeline.stream(...)``."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

import numpy as np
import pytest

from edgediff_runtimes.engines.onnxruntime import OnnxRuntimeEngine
from edgediff_runtimes.errors import Cancelled, EngineError, SettingError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement

PATIENCE_S = 20  # how long a test that would hang waits before it fails
ROLES = [("text_encoder", 1), ("unet", 1), ("unet", 3), ("vae_decoder", 1)]


@pytest.fixture(params=["resident", "sequential"])
def pipeline(tiny, fake_engine, request):
    with Pipeline(tiny, Placement(engine=fake_engine, residency=request.param)) as pipeline:
        yield pipeline


class _Gate:
    """Makes a component stop in its n-th call until the test lets it go; a coroutine may wait for it to be reached."""

    def __init__(self, answers, role, *, call=1):
        self.opened = threading.Event()
        self._reached = threading.Event()
        self._answer, self._calls, self._stop_at = answers[role], 0, call
        answers[role] = self

    async def reached(self):
        assert await asyncio.to_thread(self._reached.wait, PATIENCE_S)

    def __call__(self, feeds):
        self._calls += 1
        if self._calls == self._stop_at:
            self._reached.set()
            assert self.opened.wait(PATIENCE_S)
        return self._answer(feeds)


def test_awaiting_gives_what_calling_gives(pipeline):
    expected = pipeline(["a cat", "a dog"], seed=5, steps=3)
    result = asyncio.run(pipeline.draw(["a cat", "a dog"], seed=5, steps=3))
    np.testing.assert_array_equal(result.latents, expected.latents)
    assert [image.tobytes() for image in result.images] == [image.tobytes() for image in expected.images]
    assert result.metadata(1) == expected.metadata(1)


def test_the_network_is_computed_on_another_thread_and_steps_are_told_on_the_loop_s(pipeline, answers):
    computing, told, unet = set(), [], answers["unet"]

    def noting(feeds):
        computing.add(threading.get_ident())
        return unet(feeds)

    answers["unet"] = noting
    asyncio.run(pipeline.draw("a", steps=3, on_step=lambda step: told.append((step.index, threading.get_ident()))))
    assert told == [(index, threading.get_ident()) for index in range(3)]
    assert computing
    assert threading.get_ident() not in computing


def test_the_loop_goes_on_meanwhile(pipeline, answers):
    gate = _Gate(answers, "unet")

    async def work():
        drawing = asyncio.create_task(pipeline.draw("a", seed=0))
        await gate.reached()
        gate.opened.set()  # by the loop, while the network is inside its call
        return await drawing

    assert asyncio.run(work()).images


def test_steps_one_by_one(pipeline):
    async def work():
        async with pipeline.stream("a", seed=1, steps=4) as run:
            steps = [step async for step in run]
            return steps, run.result

    steps, result = asyncio.run(work())
    assert [step.index for step in steps] == [0, 1, 2, 3]
    np.testing.assert_array_equal(steps[-1].latents, result.latents)
    np.testing.assert_array_equal(result.latents, pipeline("a", seed=1, steps=4).latents)


def test_leaving_the_block_frees_what_the_run_used(tiny, fake_engine):
    async def work():
        async with pipeline.stream("a", seed=1, steps=4) as run:
            async for _ in run:
                break
        assert fake_engine.open_sessions == []
        with pytest.raises(Cancelled):
            await anext(aiter(run))

    with Pipeline(tiny, Placement(engine=fake_engine, residency="sequential")) as pipeline:
        asyncio.run(work())


@pytest.mark.parametrize(("role", "call"), ROLES)
def test_a_cancelled_task_ends_its_run_and_nothing_else(pipeline, fake_engine, answers, role, call):
    expected = pipeline("a cat", seed=5).latents
    gate = _Gate(answers, role, call=call)

    async def work():
        drawing = asyncio.create_task(pipeline.draw("a dog", seed=6))
        await gate.reached()
        drawing.cancel()
        await asyncio.sleep(0)  # the task learns of it
        drawing.cancel()  # impatient; the thread is waited for all the same
        await asyncio.sleep(0)
        assert not drawing.done()
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await drawing
        return await pipeline.draw("a cat", seed=5)

    np.testing.assert_array_equal(asyncio.run(work()).latents, expected)
    pipeline.close()
    assert fake_engine.open_sessions == []


def test_a_run_that_waits_too_long_is_ended_by_its_timeout(pipeline, answers):
    gate = _Gate(answers, "unet", call=2)

    async def work():
        asyncio.get_running_loop().call_later(0.05, gate.opened.set)
        await asyncio.wait_for(pipeline.draw("a", steps=50), 0.01)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(work())
    gate.opened.set()  # it may have been ended before it came to the gate
    assert pipeline("a", seed=0).images


def test_two_draws_at_a_time(pipeline, answers):
    texts = ["a cat", "a dog"]
    expected = [pipeline(text, seed=i).latents for i, text in enumerate(texts)]
    both, unet = threading.Barrier(2, timeout=PATIENCE_S), answers["unet"]

    def together(feeds):
        both.wait()  # breaks unless two are inside a step at the same time
        return unet(feeds)

    answers["unet"] = together

    async def work():
        return await asyncio.gather(*(pipeline.draw(text, seed=i) for i, text in enumerate(texts)))

    for result, latents in zip(asyncio.run(work()), expected, strict=True):
        np.testing.assert_array_equal(result.latents, latents)


def test_one_of_two_is_cancelled_and_the_other_is_not(pipeline, answers):
    expected = pipeline("a cat", seed=0).latents
    gate = _Gate(answers, "unet")

    async def work():
        first = asyncio.create_task(pipeline.draw("a dog", seed=1))
        await gate.reached()
        second = asyncio.create_task(pipeline.draw("a cat", seed=0))
        first.cancel()
        gate.opened.set()
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        return outcomes[1]

    np.testing.assert_array_equal(asyncio.run(work()).latents, expected)


def test_errors_are_those_of_a_call(pipeline, answers):
    with pytest.raises(SettingError, match="steps"):
        asyncio.run(pipeline.draw("a", steps=0))

    def broken(feeds):
        raise EngineError(f"no text from {sorted(feeds)}")

    answers["text_encoder"] = broken
    with pytest.raises(EngineError, match="no text"):
        asyncio.run(pipeline.draw("a"))

    def stop(step):
        raise ZeroDivisionError(step.index)

    del answers["text_encoder"]
    answers["text_encoder"] = lambda feeds: {"last_hidden_state": np.zeros((*feeds["input_ids"].shape, 8), np.float32)}
    with pytest.raises(ZeroDivisionError):
        asyncio.run(pipeline.draw("a", on_step=stop))


def test_cancel_of_the_pipeline_is_told_apart_from_cancel_of_the_task(pipeline):
    async def work():
        await pipeline.draw("a", steps=3, on_step=lambda _: pipeline.cancel())

    with pytest.raises(Cancelled):
        asyncio.run(work())


class _SlowEngine:
    """ONNX Runtime with another graph as U-Net, while there is one, and notes of how each call of it ended."""

    name, version = OnnxRuntimeEngine.name, OnnxRuntimeEngine.version

    def __init__(self, unet):
        self.unet, self.begun, self.ends = unet, threading.Event(), []
        self._engine = OnnxRuntimeEngine()
        self.devices, self.execution = self._engine.devices, self._engine.execution

    def load(self, graph, *, device, options):
        if graph.role != "unet" or self.unet is None:
            return self._engine.load(graph, device=device, options=options)
        session = self._engine.load(dataclasses.replace(graph, path=self.unet), device=device, options=options)
        run = session.run

        def noting(feeds, *, cancel=None):
            self.begun.set()
            try:
                outputs = run(feeds, cancel=cancel)
            except Cancelled:
                self.ends.append("inside")
                raise
            self.ends.append("after")
            return outputs

        session.run = noting
        return session


def test_the_step_is_ended_inside(tiny, golden):
    """The network needs half a minute for a step."""
    engine = _SlowEngine(golden / "slow_unet.onnx")

    async def work():
        drawing = asyncio.create_task(pipeline.draw("a", steps=2))
        assert await asyncio.to_thread(engine.begun.wait, PATIENCE_S)
        await asyncio.sleep(0.1)  # into the loop of the graph, most likely; either way the run must end
        drawing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drawing

    with Pipeline(tiny, Placement(engine=engine, residency="sequential")) as pipeline, Pipeline(tiny) as untouched:
        asyncio.run(work())
        assert engine.ends == ["inside"]
        engine.unet = None
        drawn = asyncio.run(pipeline.draw("a", steps=2, seed=3)).latents
        np.testing.assert_array_equal(drawn, untouched("a", steps=2, seed=3).latents)
