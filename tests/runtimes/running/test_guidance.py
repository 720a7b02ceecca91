"""Guidance: the formula, the number of calls, what the network is told."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.components import Loaded
from edgediff_runtimes.engines import EngineOptions, FakeEngine, Graph
from edgediff_runtimes.errors import NonFiniteError, SamplerError
from edgediff_runtimes.parts import Context, Value
from edgediff_runtimes.recipe import Guidance
from edgediff_runtimes.recipe.declarations import Graph as Declared
from edgediff_runtimes.running.guidance import PLAIN, Guided, combine, guidance_calls
from edgediff_runtimes.sampling import Sampler, build_sampler
from edgediff_runtimes.sampling.levels import chain, exploding
from edgediff_runtimes.sampling.prediction import Epsilon
from edgediff_runtimes.sampling.solvers.ddim import Ddim
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.tensors import TensorSpec

SHAPE = (2, 4, 6, 5)
SAMPLE = TensorSpec("sample", "float32", ("batch", 4, "height", "width"))
HIDDEN = TensorSpec("encoder_hidden_states", "float32", ("batch", "sequence", 8))


def _random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture
def network(tmp_path):
    """Builds a guided network whose graph is a function; returns it with the feeds of every call."""

    def build(*, unguided=1, split=False, timestep=("int64", ()), answer=None, rescale=0.0, **fields):
        seen = []

        def handler(_role, feeds):
            seen.append(feeds)
            if answer is not None:
                return {"out_sample": answer}
            hidden = feeds["encoder_hidden_states"].mean(axis=(1, 2))[:, None, None, None]
            return {"out_sample": (np.tanh(feeds["sample"]) * hidden).astype(np.float32)}

        graph = Graph("unet", tmp_path, "onnx", (SAMPLE, TensorSpec("timestep", *timestep), HIDDEN))
        session = FakeEngine(handler).load(graph, device="auto", options=EngineOptions())
        feeds = {"sample": "x", "timestep": "t", "encoder_hidden_states": "text"}
        context = Context(
            stage="base",
            settings=None,  # no part here reads one
            space=None,
            pictures={},
            tokenizers={},
            compute=lambda _role: Loaded("unet", session),
            rng=None,
            cancel=CancelToken(),
        )
        branches = [{"text": Value(_random(seed, 2, 7, 8), "pictures")} for seed in range(1, 2 + unguided)]
        guided = Guided(
            parts=(Declared("unet", feeds, {"out_sample": "prediction"}),),
            context=context,
            branches=branches,
            guidance=PLAIN,
            rescale=rescale,
            split=split,
            **{"scales": (5.0,), "with_unguided": False, "calls": ("all",) * 8, **fields},
        )
        return guided, seen

    return build


def _text(guided, branch):
    return guided.branches[branch]["text"].array


@pytest.mark.parametrize("scale", [1.0, 1.5, 7.5, 20.0])
@pytest.mark.parametrize("rescale", [0.0, 0.3, 1.0])
def test_combine_is_the_papers_formula(scale, rescale):
    unconditional, conditional = _random(3, *SHAPE), _random(4, *SHAPE)
    got = combine(unconditional, conditional, scales=(scale,), rescale=rescale)
    for image in range(SHAPE[0]):
        e_u, e_c = unconditional[image].astype(np.float64), conditional[image].astype(np.float64)
        guided = e_u + scale * (e_c - e_u)
        rescaled = guided * (e_c.std(ddof=1) / guided.std(ddof=1))
        expected = rescale * rescaled + (1 - rescale) * guided
        assert got.dtype == np.float32
        np.testing.assert_allclose(got[image], expected, rtol=2e-5, atol=2e-5)


def test_scale_1_gives_the_conditional_prediction_back():
    unconditional, conditional = _random(5, *SHAPE), _random(6, *SHAPE)
    got = combine(unconditional, conditional, scales=(1.0,), rescale=0.0)
    np.testing.assert_allclose(got, conditional, atol=1e-6)


def test_full_rescale_has_the_deviation_of_the_conditional_prediction():
    conditional = _random(8, *SHAPE)
    got = combine(_random(7, *SHAPE), conditional, scales=(9.0,), rescale=1.0)
    np.testing.assert_allclose(got.std(axis=(1, 2, 3)), conditional.std(axis=(1, 2, 3)), rtol=1e-5)


def test_each_image_is_rescaled_by_itself():
    unconditional, conditional = _random(9, *SHAPE), _random(10, *SHAPE)
    both = combine(unconditional, conditional, scales=(6.0,), rescale=0.7)
    alone = combine(unconditional[1:], conditional[1:], scales=(6.0,), rescale=0.7)
    np.testing.assert_array_equal(both[1:], alone)


def test_without_guidance_one_call_of_the_batch(network):
    guided, seen = network(unguided=0)
    guided(_random(11, *SHAPE), 7)
    assert [feeds["sample"].shape[0] for feeds in seen] == [2]
    np.testing.assert_array_equal(seen[0]["encoder_hidden_states"], _text(guided, 0))


def test_guidance_is_one_call_of_twice_the_batch(network):
    guided, seen = network()
    x = _random(12, *SHAPE)
    guided(x, 7)
    assert [feeds["sample"].shape[0] for feeds in seen] == [4]
    np.testing.assert_array_equal(seen[0]["sample"], np.concatenate([x, x]))
    np.testing.assert_array_equal(seen[0]["encoder_hidden_states"][:2], _text(guided, 1))
    np.testing.assert_array_equal(seen[0]["encoder_hidden_states"][2:], _text(guided, 0))


def test_a_held_difference_is_that_of_the_last_call_of_both(network):
    guided, seen = network(scales=(4.0,), rescale=0.3, calls=("all", "held", "conditional", "all", "held"))
    samples = [_random(20 + call, *SHAPE) for call in range(5)]
    got = [guided(x, 7) for x in samples]
    assert [feeds["sample"].shape[0] for feeds in seen] == [4, 2, 2, 4, 2]
    means = [e.mean(axis=(1, 2))[:, None, None, None] for e in (_text(guided, 1), _text(guided, 0))]
    for call, last in enumerate((0, 0, None, 3, 3)):
        conditional = np.tanh(samples[call]) * means[1]
        expected = conditional
        if last is not None:
            difference = np.tanh(samples[last]) * (means[1] - means[0])
            expected = combine(conditional - difference, conditional, scales=(4.0,), rescale=0.3)
        np.testing.assert_allclose(got[call], expected, atol=2e-6)


def test_split_guidance_is_two_calls_with_the_same_result(network):
    x = _random(13, *SHAPE)
    batched, _ = network(rescale=0.4)
    split, seen = network(rescale=0.4, split=True)
    np.testing.assert_array_equal(split(x, 7), batched(x, 7))
    assert [feeds["sample"].shape[0] for feeds in seen] == [2, 2]


def test_the_result_is_the_combination_of_both_predictions(network):
    guided, _ = network(scales=(4.0,))
    x = _random(14, *SHAPE)
    means = [e.mean(axis=(1, 2))[:, None, None, None] for e in (_text(guided, 1), _text(guided, 0))]
    predictions = [np.tanh(x) * mean for mean in means]
    np.testing.assert_allclose(guided(x, 7), combine(*predictions, scales=(4.0,), rescale=0.0), atol=1e-6)


def test_the_scale_of_the_picture_weighs_what_it_adds():
    bare, negative, prompt = (_random(seed, *SHAPE) for seed in (24, 25, 26))
    got = combine(bare, negative, prompt, scales=(7.5, 1.5))
    np.testing.assert_allclose(got, bare + 1.5 * (negative - bare) + 7.5 * (prompt - negative), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(combine(bare, negative, prompt, scales=(1.0, 1.0)), prompt, atol=1e-6)


def test_a_scale_for_each_difference_is_needed():
    with pytest.raises(ValueError, match="longer"):
        combine(*_random(27, 3, *SHAPE), scales=(7.5,))


@pytest.mark.parametrize("split", [False, True])
def test_three_branches_are_one_call_of_all_rows_or_three(network, split):
    guided, seen = network(unguided=2, scales=(4.0, 2.0), rescale=0.3, split=split)
    x = _random(28, *SHAPE)
    texts = [_text(guided, branch) for branch in (2, 1, 0)]  # the fewest conditions first
    predictions = [np.tanh(x) * text.mean(axis=(1, 2))[:, None, None, None] for text in texts]
    np.testing.assert_allclose(guided(x, 7), combine(*predictions, scales=(4.0, 2.0), rescale=0.3), atol=2e-6)
    rows = [feeds["encoder_hidden_states"] for feeds in seen]
    assert [len(array) for array in rows] == ([2, 2, 2] if split else [6])
    np.testing.assert_array_equal(np.concatenate(rows), np.concatenate(texts))


def test_both_differences_are_held(network):
    guided, seen = network(unguided=2, scales=(4.0, 2.0), calls=("all", "held"))
    samples = [_random(29 + call, *SHAPE) for call in range(2)]
    got = [guided(x, 7) for x in samples]
    assert [feeds["sample"].shape[0] for feeds in seen] == [6, 2]
    bare, negative, prompt = (_text(guided, branch).mean(axis=(1, 2))[:, None, None, None] for branch in (2, 1, 0))
    moved = 4.0 * (prompt - negative) + 2.0 * (negative - bare) + bare - prompt
    np.testing.assert_allclose(got[1], np.tanh(samples[1]) * prompt + np.tanh(samples[0]) * moved, atol=5e-6)


@pytest.mark.parametrize(("dtype", "shape"), [("int64", ()), ("int64", ("batch",)), ("float32", ()), ("float16", (1,))])
def test_the_timestep_has_the_rank_and_dtype_of_the_graph(network, dtype, shape):
    guided, seen = network(timestep=(dtype, shape))
    guided(_random(15, *SHAPE), np.int64(41))
    assert seen[0]["timestep"].dtype == dtype
    assert seen[0]["timestep"].shape == (1,) * len(shape)
    assert seen[0]["timestep"].item() == 41


def test_a_graph_of_whole_steps_refuses_a_fraction(network):
    guided, seen = network(timestep=("int64", ()))
    with pytest.raises(SamplerError, match=r"time step 41\.50.*expected one with whole time steps"):
        guided(_random(16, *SHAPE), 41.5)
    assert not seen


def test_a_graph_of_float_steps_takes_a_fraction(network):
    guided, seen = network(timestep=("float32", ()))
    guided(_random(16, *SHAPE), 41.5)
    assert seen[0]["timestep"].item() == 41.5


def test_half_precision_predictions_become_float32(network):
    guided, _ = network(unguided=0, answer=np.full(SHAPE, 0.25, np.float16))
    assert guided(_random(18, *SHAPE), 1).dtype == np.float32


def test_an_error_says_the_step(network):
    guided, _ = network(answer=np.full((4, *SHAPE[1:]), np.nan, np.float32))
    guided.context.step = 2
    with pytest.raises(NonFiniteError, match=r"`unet` .* in step 3") as caught:
        guided(_random(19, *SHAPE), 1)
    assert (caught.value.component, caught.value.step) == ("unet", 2)


def test_the_unguided_prediction_stands_beside_the_guided_one(network):
    x = _random(11, *SHAPE)
    alone, _ = network()
    both, _ = network(with_unguided=True)
    unguided, _ = network(scales=(0.0,))
    got = both(x, 3.0)
    np.testing.assert_array_equal(got.prediction, alone(x, 3.0))
    np.testing.assert_allclose(got.unguided, unguided(x, 3.0), atol=1e-6)


@pytest.mark.parametrize("rescale", [0.0, 0.7])
def test_a_predicted_variance_is_the_conditional_calls_and_not_guided(network, rescale):
    x, channels = _random(20, *SHAPE), SHAPE[1]
    answer = _random(21, 2 * SHAPE[0], 2 * channels, *SHAPE[2:])
    both, _ = network(answer=answer, rescale=rescale, with_unguided=True)
    got = both(x, 3.0)
    without, with_prompt = answer[: SHAPE[0]], answer[SHAPE[0] :]
    expected = combine(without[:, :channels], with_prompt[:, :channels], scales=(5.0,), rescale=rescale)
    np.testing.assert_array_equal(got.prediction[:, :channels], expected)
    np.testing.assert_array_equal(got.prediction[:, channels:], with_prompt[:, channels:])
    np.testing.assert_array_equal(got.unguided, without)


def test_a_constant_prediction_is_not_rescaled():
    constant = np.ones(SHAPE, np.float32)
    np.testing.assert_array_equal(combine(constant, constant, scales=(5.0,), rescale=1.0), constant)


def test_the_difference_may_be_added_to_the_conditional_prediction():
    unconditional, conditional = _random(20, *SHAPE), _random(21, *SHAPE)
    got = combine(unconditional, conditional, scales=(2.0,), guidance=Guidance(origin="conditional"))
    np.testing.assert_allclose(got, conditional + 2 * (conditional - unconditional), atol=1e-6)


def test_the_norm_of_the_conditional_prediction_is_kept():
    unconditional, conditional = _random(22, 2, 5, 6), _random(23, 2, 5, 6)
    got = combine(unconditional, conditional, scales=(4.0,), guidance=Guidance(norm=-1))
    np.testing.assert_allclose(np.linalg.norm(got, axis=-1), np.linalg.norm(conditional, axis=-1), rtol=1e-5)


def test_the_norm_of_each_token_is_kept_where_a_token_is_a_square():
    unconditional, conditional = _random(0, 2, 3, 4, 6), _random(1, 2, 3, 4, 6)
    got = combine(unconditional, conditional, scales=(4.0,), guidance=Guidance(norm=1, norm_patch=2))

    def norms(array):
        return np.sqrt((array.reshape(2, 3, 2, 2, 3, 2) ** 2).sum(axis=(1, 3, 5)))

    np.testing.assert_allclose(norms(got), norms(conditional), rtol=1e-5)
    # Within a token only the length changes.
    plain = combine(unconditional, conditional, scales=(4.0,))
    ratios = (got / plain).reshape(2, 3, 2, 2, 3, 2)
    np.testing.assert_allclose(ratios, np.broadcast_to(ratios[:, :1, :, :1, :, :1], ratios.shape), rtol=1e-4)


@pytest.mark.parametrize(
    ("interval", "every", "expected"),
    [
        (None, 1, "aaaaaa"),
        (None, 2, "ahahah"),
        (None, 4, "ahhhah"),
        ((0.2, 3.0), 1, "ccaaac"),  # at 10, 5, 3, 1, 0.5, 0.2: above the lower end, up to the higher one
        ((0.2, None), 1, "aaaaac"),
        ((0.2, 5.0), 2, "cahahc"),
        ((20.0, 30.0), 1, "cccccc"),
    ],
    ids=str,
)
def test_what_is_computed_at_each_call(interval, every, expected):
    sigmas = [10.0, 5.0, 3.0, 1.0, 0.5, 0.2, 0.0]
    sampler = Sampler(chain([exploding(np.float32(sigma), sigma) for sigma in sigmas]), Ddim(), Epsilon())
    settings = Settings((), (), 1, 0, "torch-cpu", 6, 3.0, 0.0, None, guidance_interval=interval, reuse_guidance=every)
    assert "".join(computing[0] for computing in guidance_calls(settings, sampler)) == expected


def test_the_level_of_a_flow_is_its_own():
    sampler = build_sampler({"_class_name": "FlowMatchEulerDiscreteScheduler"}, 4)  # sigmas 1, 0.75, 0.5 and 0.25
    settings = Settings((), (), 1, 0, "torch-cpu", 4, 3.0, 0.0, None, guidance_interval=(0.25, 0.75))
    assert [*map(str, guidance_calls(settings, sampler))] == ["conditional", "all", "all", "conditional"]
