"""What configs of models without text tell: classes and their names, sizes, steps; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.errors import BundleError, ManifestError
from edgediff_runtimes.families import Configs, family_of
from edgediff_runtimes.previews import preview

UNET = {"in_channels": 3, "sample_size": [24, 32], "block_out_channels": [8, 8, 8]}
VAE = {"latent_channels": 4, "block_out_channels": [8, 8]}


def _of(pipeline, *, unet=None, transformer=None, **index):
    configs = Configs(
        {"_class_name": pipeline, **index},
        {"unet": {**UNET, **(unet or {})}, "transformer": transformer or {}, "vae": VAE},
    )
    family = family_of(pipeline)
    return family.recipe(configs), family.defaults(configs)


def _dit(**index):
    return _of("DiTPipeline", transformer={"num_embeds_ada_norm": 20, "sample_size": 8}, **index)


@pytest.mark.parametrize(
    ("pipeline", "steps", "task"),
    [
        ("DDPMPipeline", 1000, "unconditional-image-generation"),
        ("DDIMPipeline", 50, "unconditional-image-generation"),
        ("ScoreSdeVePipeline", 2000, "unconditional-image-generation"),
        ("ConsistencyModelPipeline", 1, "unconditional-image-generation"),
    ],
)
def test_pixels_are_drawn_in_the_size_of_the_config_or_another_that_can_be_halved(pipeline, steps, task):
    recipe, defaults = _of(pipeline)
    assert (defaults.steps, defaults.width, defaults.height) == (steps, 32, 24)
    assert (recipe.tasks, recipe.labels, recipe.first.guidance) == ((task, "denoising"), None, None)
    assert (recipe.first.space.multiple, recipe.first.space.sized) == (4, True)
    assert not {"prompt", "class_label", "guidance"} & {*recipe.options}


def test_the_pipeline_of_ddim_makes_a_ddim_of_any_scheduler():
    """As diffusers' ``DDIMScheduler.from_config``: shared fields stay. That of DDPM takes what is there."""
    saved = {"_class_name": "DDPMScheduler", "beta_end": 0.03, "variance_type": "fixed_large", "clip_sample": False}
    for pipeline, expected in (("DDIMPipeline", "DDIMScheduler"), ("DDPMPipeline", "DDPMScheduler")):
        configs = Configs({"_class_name": pipeline}, {"unet": UNET}, saved)
        config = family_of(pipeline).scheduler(configs)
        assert (config["_class_name"], config["beta_end"], config["clip_sample"]) == (expected, 0.03, False)


@pytest.mark.parametrize("pipeline", ["KarrasVePipeline", "PNDMPipeline"])
def test_other_pipelines_over_pixels_are_refused_by_name(pipeline):
    with pytest.raises(BundleError, match=rf"the family of `{pipeline}` is unknown: expected one of .*DDIMPipeline"):
        family_of(pipeline)


def test_a_consistency_model_may_have_classes():
    recipe, _ = _of("ConsistencyModelPipeline", unet={"num_class_embeds": 7})
    assert (recipe.tasks, recipe.labels.below, recipe.labels.null) == (("class-to-image", "denoising"), 7, None)
    assert recipe.network.feeds["class_labels"] == "label"


def test_a_dit_has_one_size_and_a_row_for_no_class():
    recipe, defaults = _dit()
    assert (recipe.labels.below, recipe.labels.null, recipe.labels.names) == (20, 20, {})
    assert (defaults.steps, defaults.guidance, defaults.width, defaults.height) == (50, 4.0, 16, 16)
    assert (recipe.first.space.sized, recipe.tasks) == (False, ("class-to-image",))


def test_names_of_classes_are_those_of_diffusers():
    """Two names of one class, blanks, capitals; and a name that two classes have is the later one's."""
    recipe, _ = _dit(id2label={"3": "crane, Grus grus ", "7": "Crane", "9": ""})
    assert recipe.labels.names == {"crane": 7, "grus grus": 3}


@pytest.mark.parametrize(
    "id2label", [["crane"], {"x": "crane"}, {"20": "crane"}, {"-1": "crane"}, {"3": 4}, {"9" * 99: "x"}]
)
def test_names_that_are_none_are_refused(id2label):
    with pytest.raises(ManifestError, match="id2label"):
        _dit(id2label=id2label)


@pytest.mark.parametrize(
    ("unet", "field"),
    [
        ({"in_channels": 4}, "in_channels"),
        ({"num_class_embeds": 0}, "num_class_embeds"),
        ({"sample_size": "32"}, "sample_size"),
    ],
)
def test_a_unet_that_does_not_draw_pictures_is_refused(unet, field):
    with pytest.raises(ManifestError, match=field):
        _of("ConsistencyModelPipeline", unet=unet)


@pytest.mark.parametrize(("pipeline", "darkest"), [("DDPMPipeline", -1.0), ("ScoreSdeVePipeline", 0.0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_sample_is_its_own_preview(pipeline, darkest, channels):
    recipe, _ = _of(pipeline, unet={"in_channels": channels})
    sample = np.linspace(darkest, 1, channels * 16, dtype=np.float32).reshape(1, channels, 4, 4)
    (image,) = preview(sample, recipe.first.space)
    expected = np.broadcast_to((sample[0] - darkest) / (1 - darkest) * 255, (3, 4, 4)).transpose(1, 2, 0)
    np.testing.assert_allclose(np.asarray(image), expected, atol=0.51)
