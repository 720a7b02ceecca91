"""How a run ends before its end: cancelled, failed, left, closed. Nothing stays open, and the next run is as ever."""

from __future__ import annotations

import gc
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.errors import Cancelled, DeviceError, EngineError, NonFiniteError, OutOfMemoryError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement

PATIENCE_S = 20  # how long a test that would hang waits before it fails
RESIDENCIES = ("resident", "sequential")


@pytest.fixture(params=RESIDENCIES)
def pipeline(tiny, fake_engine, request):
    with Pipeline(tiny, Placement(engine=fake_engine, residency=request.param)) as pipeline:
        yield pipeline


@pytest.fixture
def sequential(tiny, fake_engine):
    with Pipeline(tiny, Placement(engine=fake_engine, residency="sequential")) as pipeline:
        yield pipeline


class _Gate:
    """Makes a component stop in its n-th call until the test lets it go."""

    def __init__(self, answers, role, *, call=1):
        self.reached, self.opened = threading.Event(), threading.Event()
        self._answer, self._calls, self._stop_at = answers[role], 0, call
        answers[role] = self

    def __call__(self, feeds):
        self._calls += 1
        if self._calls == self._stop_at:
            self.reached.set()
            assert self.opened.wait(PATIENCE_S)
        return self._answer(feeds)


class _Background:
    """A draw in a thread of its own; ``outcome`` is the result or the error."""

    def __init__(self, draw):
        self.outcome = None
        self._thread = threading.Thread(target=self._run, args=(draw,), daemon=True)
        self._thread.start()

    def _run(self, draw):
        try:
            self.outcome = draw()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.outcome = error

    def join(self):
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self.outcome


@pytest.mark.parametrize(("role", "call"), [("text_encoder", 1), ("unet", 1), ("unet", 3), ("vae_decoder", 1)])
def test_cancel_from_another_thread(pipeline, fake_engine, answers, role, call):
    expected = pipeline("a cat", seed=5).latents
    gate = _Gate(answers, role, call=call)
    drawing = _Background(lambda: pipeline("a dog", seed=6))
    assert gate.reached.wait(PATIENCE_S)
    pipeline.cancel()
    gate.opened.set()
    assert isinstance(drawing.join(), Cancelled)
    np.testing.assert_array_equal(pipeline("a cat", seed=5).latents, expected)
    pipeline.close()
    assert fake_engine.open_sessions == []


def test_cancel_reaches_every_run_in_progress_and_no_later_one(pipeline, answers):
    streamed = pipeline.stream("a", seed=0)
    next(streamed)
    gate = _Gate(answers, "unet")
    drawing = _Background(lambda: pipeline("b", seed=1))
    assert gate.reached.wait(PATIENCE_S)
    pipeline.cancel()
    gate.opened.set()
    assert isinstance(drawing.join(), Cancelled)
    with pytest.raises(Cancelled):
        next(streamed)
    assert pipeline("c", seed=2).images


def test_cancel_without_a_run_does_nothing(pipeline):
    pipeline.cancel()
    assert pipeline("a", seed=0).images


def test_cancel_before_the_start_runs_and_loads_nothing(pipeline, fake_engine, calls):
    run = pipeline.stream("a", seed=0)
    run.cancel()
    with pytest.raises(Cancelled):
        next(run)
    assert (calls, fake_engine.open_sessions) == ([], [])


def test_cancel_from_on_step(sequential, fake_engine, calls):
    def stop(step):
        if step.index == 1:
            sequential.cancel()

    with pytest.raises(Cancelled):
        sequential("a", seed=0, steps=5, on_step=stop)
    assert [role for role, _ in calls].count("unet") == 2
    assert fake_engine.open_sessions == []


def test_the_result_of_a_cancelled_run_is_refused_again_and_again(pipeline):
    with pipeline.stream("a", seed=0) as run:
        next(run)
        run.cancel()
        for _ in range(2):
            with pytest.raises(Cancelled):
                _ = run.result


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_stream_that_is_left_lets_go(sequential, fake_engine, taken):
    with sequential.stream("a", seed=0, steps=3) as run:
        for _ in range(taken):
            next(run)
        assert fake_engine.open_sessions == (["unet"] if taken else [])
    assert fake_engine.open_sessions == []
    for _ in range(2):
        with pytest.raises(Cancelled):
            next(run)


@pytest.mark.parametrize("end", ["run", "pipeline"])
def test_a_loop_over_a_run_that_another_thread_closes_does_not_end_as_if_it_were_done(pipeline, fake_engine, end):
    run = pipeline.stream("a", seed=0)
    close = {"run": run.close, "pipeline": pipeline.close}[end]
    seen = []

    def loop():
        for step in run:
            seen.append(step.index)
            assert _Background(close).join() is None

    with pytest.raises(Cancelled):
        loop()
    assert seen == [0]
    pipeline.close()
    assert fake_engine.open_sessions == []


def test_a_run_that_is_done_stays_done_when_it_is_closed(pipeline):
    with pipeline.stream("a", seed=0) as run:
        assert len(list(run)) == 3
    assert list(run) == []
    assert run.result.images


def test_a_stream_that_is_forgotten_lets_go(sequential, fake_engine):
    run = sequential.stream("a", seed=0)
    next(run)
    del run
    gc.collect()
    assert fake_engine.open_sessions == []


def test_a_stream_has_its_result_at_any_time(pipeline):
    expected = pipeline("a", seed=0).latents
    for taken in (0, 1, 3):
        with pipeline.stream("a", seed=0) as run:
            steps = [next(run) for _ in range(taken)]
            np.testing.assert_array_equal(run.result.latents, expected)
            assert run.result is run.result
            assert [step.index for step in steps] == list(range(taken))
            assert run.total_steps == 3
            assert list(run) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("role", "output", "call", "where"),
    [
        ("text_encoder", "last_hidden_state", 1, None),
        ("vae_encoder", "latent_parameters", 1, None),
        ("unet", "out_sample", 1, 0),
        ("unet", "out_sample", 3, 2),
        ("vae_decoder", "sample", 1, None),
    ],
)
def test_a_value_that_is_not_finite_is_named_with_its_step(
    sequential, fake_engine, answers, role, output, call, where, value
):
    usual, count = answers[role], [0]

    def spoiled(feeds):
        count[0] += 1
        outputs = usual(feeds)
        if count[0] == call:
            outputs[output].flat[-1] = value
        return outputs

    answers[role] = spoiled
    with pytest.raises(NonFiniteError) as caught:
        sequential("a", seed=0, image=Image.new("RGB", (64, 64)), strength=1.0)
    assert (caught.value.component, caught.value.step) == (role, where)
    assert f"`{role}`" in caught.value.sentence
    assert (f"in step {call}" in caught.value.sentence) == (where is not None)
    assert fake_engine.open_sessions == []


def test_an_error_of_the_engine_leaves_nothing_open(sequential, fake_engine, answers):
    usual = answers["unet"]

    def broken(_feeds):
        raise EngineError("out of memory")

    answers["unet"] = broken
    with pytest.raises(EngineError, match="out of memory"):
        sequential("a", seed=0)
    assert fake_engine.open_sessions == []
    answers["unet"] = usual
    assert sequential("a", seed=0).images


def test_an_error_in_on_step_leaves_nothing_open_and_comes_through(sequential, fake_engine):
    def fail(_step):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        sequential("a", seed=0, on_step=fail)
    assert fake_engine.open_sessions == []
    assert sequential("a", seed=0).images


def test_a_device_that_is_not_there_is_refused_before_anything_is_loaded(tiny, fake_engine):
    with pytest.raises(DeviceError, match="the device `npu` is not available: expected one of cpu"):
        Pipeline(tiny, Placement(engine=fake_engine, device={"unet": "npu"}))
    assert fake_engine.open_sessions == []


def test_a_component_that_does_not_load_leaves_nothing_open(tiny, fake_engine, monkeypatch):
    load = fake_engine.load

    def refuse(graph, **how):
        if graph.role == "unet":
            raise EngineError("the graph is odd")
        return load(graph, **how)

    monkeypatch.setattr(fake_engine, "load", refuse)
    with Pipeline(tiny, Placement(engine=fake_engine, residency="sequential")) as pipeline:
        with pytest.raises(EngineError, match="odd"):
            pipeline("a", seed=0)
        assert fake_engine.open_sessions == []


def test_one_component_at_a_time_is_open_when_memory_is_short(sequential, fake_engine, answers):
    open_in = {}

    def watched(role, answer):
        def answering(feeds):
            open_in.setdefault(role, set()).update(fake_engine.open_sessions)
            return answer(feeds)

        return answering

    answers.update({role: watched(role, answer) for role, answer in answers.items()})
    sequential("a", seed=0, image=Image.new("RGB", (64, 64)))
    assert open_in == {role: {role} for role in answers}
    assert fake_engine.open_sessions == []


def test_resident_components_are_loaded_once(tiny, fake_engine):
    with Pipeline(tiny, Placement(engine=fake_engine)) as pipeline:
        pipeline("a", seed=0)
        loaded = sorted(fake_engine.open_sessions)
        pipeline("b", seed=1)
        assert sorted(fake_engine.open_sessions) == loaded == ["text_encoder", "unet", "vae_decoder"]
    assert fake_engine.open_sessions == []


def test_close_ends_a_run_in_progress(pipeline, fake_engine, answers):
    gate = _Gate(answers, "unet", call=2)
    drawing = _Background(lambda: pipeline("a", seed=0))
    assert gate.reached.wait(PATIENCE_S)
    pipeline.close()
    assert fake_engine.open_sessions == ["unet"]  # the run is still inside of it
    gate.opened.set()
    assert isinstance(drawing.join(), Cancelled)
    assert fake_engine.open_sessions == []
    with pytest.raises(EngineError, match="closed"):
        pipeline("a", seed=0)


def test_a_run_may_be_closed_by_another_thread(pipeline, fake_engine, answers):
    gate = _Gate(answers, "unet", call=2)
    run = pipeline.stream("a", seed=0)
    drawing = _Background(lambda: list(run))
    assert gate.reached.wait(PATIENCE_S)
    closing = _Background(run.close)
    gate.opened.set()
    assert closing.join() is None
    assert isinstance(drawing.join(), Cancelled)
    pipeline.close()
    assert fake_engine.open_sessions == []


def test_two_threads_draw_what_each_would_draw_alone(pipeline, fake_engine):
    texts = ["a cat", "a dog"]
    expected = [pipeline(text, seed=i).latents for i, text in enumerate(texts)]
    drawings = [
        _Background(lambda i=i, text=text: [pipeline(text, seed=i).latents for _ in range(8)])
        for i, text in enumerate(texts)
    ]
    for drawing, latents in zip(drawings, expected, strict=True):
        for got in drawing.join():
            np.testing.assert_array_equal(got, latents)
    pipeline.close()
    assert fake_engine.open_sessions == []


def test_two_runs_share_one_session_which_the_last_one_frees(sequential, fake_engine):
    first, second = sequential.stream("a", seed=0), sequential.stream("b", seed=1)
    next(first)
    next(second)
    assert fake_engine.open_sessions == ["unet"]
    first.close()
    assert fake_engine.open_sessions == ["unet"]
    assert second.result.images
    second.close()
    assert fake_engine.open_sessions == []


def test_runs_may_begin_while_others_are_cancelled(pipeline):
    alive = [pipeline.stream("a", seed=0) for _ in range(50)]
    begun, interval = threading.Event(), sys.getswitchinterval()

    def begin():
        alive.extend(pipeline.stream("a", seed=0) for _ in range(100))
        begun.set()

    sys.setswitchinterval(1e-6)  # threads take turns at every chance
    try:
        beginner = _Background(begin)
        while not begun.is_set():
            pipeline.cancel()
    finally:
        sys.setswitchinterval(interval)
    assert beginner.join() is None
    assert len(alive) == 150


def test_the_result_of_a_run_that_failed_is_its_error(pipeline, answers):
    def broken(feeds):
        raise EngineError(f"no text from {sorted(feeds)}")

    answers["text_encoder"] = broken
    run = pipeline.stream("a")
    for _ in range(2):
        with pytest.raises(EngineError, match="no text"):
            _ = run.result


@pytest.mark.parametrize("raised", [MemoryError("Unable to allocate 149. GiB"), OutOfMemoryError("`unet` failed")])
@pytest.mark.parametrize(("images", "pictures"), [(1, "a picture"), (2, "2 pictures at a time")])
def test_too_little_memory_names_what_was_asked_for_and_what_needs_less(pipeline, answers, raised, images, pictures):
    def hungry(_feeds):
        raise raised

    answers["unet"] = hungry
    with pytest.raises(OutOfMemoryError, match=rf", for {pictures} of 24x16 pixels\n") as caught:
        pipeline("a cat", seed=0, images=images, width=24, height=16)
    assert isinstance(caught.value, MemoryError)
    assert getattr(raised, "problem", str(raised)) in caught.value.sentence
    assert "a smaller `width` and `height`" in caught.value.hint
    assert ("`images`" in caught.value.hint) == (images > 1)


def test_too_little_memory_for_a_picture_from_another_one(pipeline, answers):
    def hungry(_feeds):
        raise MemoryError

    answers["vae_encoder"] = hungry
    with pytest.raises(OutOfMemoryError, match=r"a picture of 16x24 pixels from another picture"):
        pipeline("a cat", seed=0, image=Image.new("RGB", (16, 24)), width=16, height=24)
